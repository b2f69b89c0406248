// Which calls are acted on, and how. See faultfs.h.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "faultfs.h"

enum { kMostRules = 32, kGlobBytes = 64 };

struct Rule {
  enum FaultCall call;
  enum FaultAction action;
  char glob[kGlobBytes];
  unsigned long first;
  unsigned long last;
  atomic_ulong count;
};

static const char* const kCallNames[kCalls] = {"create", "open",   "read",   "write",    "sync",
                                               "close",  "rename", "unlink", "truncate", "say"};
static const char* const kActionNames[kActions] = {
    "pass",        "enospc",    "eio",        "erofs", "short",
    "kill-before", "kill-torn", "kill-after", "skip",  "repeat"};

static struct Rule rules[kMostRules];
static int rule_count;
static bool pipe_rules;
static const char* directory;
static size_t directory_bytes;
static const char* boot_id;
static int trace = -1;
static bool limited;
static int64_t space;  // under space_mutex
static pthread_mutex_t space_mutex = PTHREAD_MUTEX_INITIALIZER;

static _Noreturn void Refuse(const char* what, const char* text) {
  dprintf(STDERR_FILENO, "faultfs: %s: '%s'\n", what, text);
  _exit(99);
}

static int Find(const char* word, const char* const* names, int count) {
  for (int i = 0; i < count; ++i) {
    if (strcmp(word, names[i]) == 0) return i;
  }
  Refuse("unknown word", word);
}

static void ParseRules(const char* text) {
  char* copy = strdup(text);
  char* rest = copy;
  for (char* part; (part = strsep(&rest, ";")) != NULL;) {
    char call[16];
    char action[16];
    struct Rule* rule = &rules[rule_count];
    const int found = sscanf(part, "%15s %63s %lu %lu %15s", call, rule->glob, &rule->first,
                             &rule->last, action);
    if (found <= 0) continue;
    if (found != 5 || rule_count == kMostRules - 1) Refuse("not a rule", part);
    rule->call = (enum FaultCall)Find(call, kCallNames, kCalls);
    rule->action = (enum FaultAction)Find(action, kActionNames, kActions);
    pipe_rules |= strncmp(rule->glob, "pipe:", 5) == 0;
    ++rule_count;
  }
  free(copy);
}

__attribute__((constructor)) static void Init(void) {
  directory = getenv("FAULT_DIR");
  boot_id = getenv("FAULT_BOOT_ID");
  const char* text = getenv("FAULT_RULES");
  if (text != NULL) ParseRules(text);
  if (directory == NULL) return;
  directory_bytes = strlen(directory);
  const char* limit = getenv("FAULT_SPACE");
  limited = limit != NULL;
  if (limited) space = strtoll(limit, NULL, 10);
  const char* path = getenv("FAULT_TRACE");
  if (path != NULL) {
    // A high number: programs care for those that they open themselves.
    const int fd = (int)syscall(SYS_openat, AT_FDCWD, path,
                                O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    trace = fcntl(fd, F_DUPFD_CLOEXEC, 900);
    syscall(SYS_close, fd);
  }
  const char* shadow = getenv("FAULT_SHADOW");
  if (shadow != NULL) FaultfsShadowInit(directory, shadow);
}

bool FaultfsActive(void) {
  return directory != NULL || rule_count > 0;
}

// ---- what a call is about ----

static void NameIt(struct FaultFile* file) {
  const char* slash = strrchr(file->path, '/');
  file->name = slash != NULL ? slash + 1 : file->path;
  file->ours = directory != NULL && strncmp(file->path, directory, directory_bytes) == 0 &&
               (file->path[directory_bytes] == '/' || file->path[directory_bytes] == '\0');
}

void FaultfsFindDescriptor(int fd, struct FaultFile* file) {
  char link[32];
  file->ours = file->pipe = false;
  if (!FaultfsActive() || fd < 0) return;
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  const long bytes = syscall(SYS_readlinkat, AT_FDCWD, link, file->path, sizeof file->path - 1);
  if (bytes <= 0) return;
  file->path[bytes] = '\0';
  if (pipe_rules && fd != STDIN_FILENO && fd != STDERR_FILENO &&
      strncmp(file->path, "pipe:", 5) == 0) {
    file->ours = file->pipe = true;
    file->name = file->path;
    return;
  }
  if (file->path[0] != '/') return;
  char* deleted = strstr(file->path, " (deleted)");
  if (deleted != NULL) *deleted = '\0';
  NameIt(file);
}

void FaultfsFindPath(int at, const char* path, struct FaultFile* file) {
  file->ours = file->pipe = false;
  if (directory == NULL || path == NULL) return;
  if (path[0] == '/') {
    snprintf(file->path, sizeof file->path, "%s", path);
  } else {
    char link[32] = "/proc/self/cwd";
    if (at != AT_FDCWD) snprintf(link, sizeof link, "/proc/self/fd/%d", at);
    const long bytes =
        syscall(SYS_readlinkat, AT_FDCWD, link, file->path, sizeof file->path - 1);
    if (bytes <= 0) return;
    snprintf(file->path + bytes, sizeof file->path - (size_t)bytes, "/%s", path);
  }
  NameIt(file);
}

// ---- what happens to it ----

_Noreturn void FaultfsDie(void) {
  syscall(SYS_kill, syscall(SYS_getpid), SIGKILL);
  while (true) pause();
}

enum FaultAction FaultfsBefore(enum FaultCall call, const struct FaultFile* file) {
  enum FaultAction action = kPass;
  for (int i = 0; i < rule_count; ++i) {
    struct Rule* rule = &rules[i];
    if (rule->call != call || fnmatch(rule->glob, file->name, 0) != 0) continue;
    const unsigned long count = atomic_fetch_add(&rule->count, 1) + 1;
    if (action != kPass || count < rule->first || count > rule->last) continue;
    action = rule->action;
    if (trace >= 0) {
      dprintf(trace, "%s %s %lu %s\n", kCallNames[call], file->name, count,
              kActionNames[action]);
    }
  }
  if (action == kKillBefore) FaultfsDie();
  if (action == kNoSpace) errno = ENOSPC;
  if (action == kIoError) errno = EIO;
  if (action == kReadOnly) errno = EROFS;
  return action;
}

bool FaultfsFails(enum FaultAction action) {
  return action == kNoSpace || action == kIoError || action == kReadOnly;
}

void FaultfsAfter(enum FaultAction action) {
  if (action == kKillAfter || action == kKillTorn) FaultfsDie();
}

size_t FaultfsTakeSpace(size_t bytes) {
  if (!limited) return bytes;
  pthread_mutex_lock(&space_mutex);
  const size_t left = space > 0 ? (size_t)space : 0;
  const size_t taken = bytes < left ? bytes : left;
  space -= (int64_t)taken;
  pthread_mutex_unlock(&space_mutex);
  return taken;
}

void FaultfsGiveSpace(size_t bytes) {
  pthread_mutex_lock(&space_mutex);
  space += (int64_t)bytes;
  pthread_mutex_unlock(&space_mutex);
}

int FaultfsBootId(const char* path) {
  if (boot_id == NULL || path == NULL || strcmp(path, "/proc/sys/kernel/random/boot_id") != 0) {
    return -1;
  }
  const int fd = memfd_create("boot_id", MFD_CLOEXEC);
  dprintf(fd, "%s\n", boot_id);
  lseek(fd, 0, SEEK_SET);
  return fd;
}

bool FaultfsMutes(const char* text, size_t bytes) {
  for (int i = 0; i < rule_count; ++i) {
    if (rules[i].call != kSay) continue;
    char event[kGlobBytes + 16];
    snprintf(event, sizeof event, "\"event\":\"%s\"", rules[i].glob);
    if (memmem(text, bytes, event, strlen(event)) == NULL) continue;
    const unsigned long count = atomic_fetch_add(&rules[i].count, 1) + 1;
    if (count >= rules[i].first && count <= rules[i].last) return true;
  }
  return false;
}
