// What a machine that crashes would still have. See faultfs.h, and shadow.h for who reads it:
//
//   FAULT_SHADOW/live/INODE   another link to every file that has ever been there
//   FAULT_SHADOW/data/INODE   its bytes as they were when it was synced last; none: never
//   FAULT_SHADOW/dirs/DIR     "INODE NAME" for each name that a directory had when it was
//   synced
//                             last. DIR: its path below FAULT_DIR with % for /, or "%" for
//                             itself
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "faultfs.h"

struct Dirty {
  ino_t inode;
  off_t from;  // bytes before it are in data/INODE
};

static const char* root;
static size_t root_bytes;
static const char* shadow_root;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct Dirty* dirty;  // under mutex
static size_t dirty_count;

static int Open(const char* path, int flags) {
  return (int)syscall(SYS_openat, AT_FDCWD, path, flags | O_CLOEXEC, 0600);
}

static void Close(int fd) {
  syscall(SYS_close, fd);
}

// A file that this process has not synced yet is dirty from its first byte on.
static struct Dirty* DirtyOf(ino_t inode) {
  for (size_t i = 0; i < dirty_count; ++i) {
    if (dirty[i].inode == inode) return &dirty[i];
  }
  dirty = realloc(dirty, (dirty_count + 1) * sizeof *dirty);
  dirty[dirty_count] = (struct Dirty){.inode = inode, .from = 0};
  return &dirty[dirty_count++];
}

void FaultfsShadowCreated(const char* path) {
  struct stat info;
  if (shadow_root == NULL || lstat(path, &info) != 0 || !S_ISREG(info.st_mode)) return;
  char live[PATH_MAX];
  snprintf(live, sizeof live, "%s/live/%lu", shadow_root, (unsigned long)info.st_ino);
  (void)!link(path, live);  // EEXIST: known already
}

void FaultfsShadowDirty(int fd, off_t from) {
  struct stat info;
  if (shadow_root == NULL || fstat(fd, &info) != 0) return;
  pthread_mutex_lock(&mutex);
  struct Dirty* entry = DirtyOf(info.st_ino);
  if (from < entry->from) entry->from = from;
  pthread_mutex_unlock(&mutex);
}

static void Copy(int from, int to, off_t begin, off_t end) {
  static char part[256 * 1024];  // under mutex
  for (off_t at = begin; at < end;) {
    const size_t left = (size_t)(end - at);
    const long count =
        syscall(SYS_pread64, from, part, left < sizeof part ? left : sizeof part, at);
    if (count <= 0) break;
    syscall(SYS_pwrite64, to, part, (size_t)count, at);
    at += count;
  }
}

static void SyncFile(const char* path, const struct stat* info) {
  char copy[PATH_MAX];
  snprintf(copy, sizeof copy, "%s/data/%lu", shadow_root, (unsigned long)info->st_ino);
  const int from = Open(path, O_RDONLY);
  const int to = Open(copy, O_WRONLY | O_CREAT);
  pthread_mutex_lock(&mutex);
  struct Dirty* entry = DirtyOf(info->st_ino);
  const off_t begin = entry->from < info->st_size ? entry->from : info->st_size;
  // What is appended meanwhile is not part of this sync.
  Copy(from, to, begin, info->st_size);
  (void)!ftruncate(to, info->st_size);
  entry->from = info->st_size;
  pthread_mutex_unlock(&mutex);
  Close(from);
  Close(to);
}

static void SyncDirectory(const char* path) {
  char list[PATH_MAX + NAME_MAX];
  char draft[PATH_MAX + NAME_MAX + 32];
  const int prefix = snprintf(list, sizeof list, "%s/dirs/", shadow_root);
  const char* below = path + root_bytes;
  snprintf(list + prefix, sizeof list - (size_t)prefix, "%s", *below != '\0' ? below : "/");
  for (char* at = list + prefix; *at != '\0'; ++at) {
    if (*at == '/') *at = '%';
  }
  // Two threads may sync the same directory.
  snprintf(draft, sizeof draft, "%s.%ld.draft", list, syscall(SYS_gettid));
  const int out = Open(draft, O_WRONLY | O_CREAT | O_TRUNC);
  DIR* entries = opendir(path);
  for (const struct dirent* entry; entries != NULL && (entry = readdir(entries)) != NULL;) {
    if (entry->d_type != DT_REG) continue;
    dprintf(out, "%lu %s\n", (unsigned long)entry->d_ino, entry->d_name);
  }
  if (entries != NULL) closedir(entries);
  Close(out);
  syscall(SYS_rename, draft, list);
}

void FaultfsShadowSync(int fd, const struct FaultFile* file) {
  struct stat info;
  if (shadow_root == NULL || fstat(fd, &info) != 0) return;
  if (S_ISDIR(info.st_mode)) {
    SyncDirectory(file->path);
  } else if (S_ISREG(info.st_mode)) {
    char path[32];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    SyncFile(path, &info);
  }
}

// Everything that is there before the first process is durable.
static void TakeAll(const char* path) {
  DIR* entries = opendir(path);
  for (const struct dirent* entry; entries != NULL && (entry = readdir(entries)) != NULL;) {
    char child[PATH_MAX];
    struct stat info;
    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
    snprintf(child, sizeof child, "%s/%s", path, entry->d_name);
    if (lstat(child, &info) != 0) continue;
    if (S_ISDIR(info.st_mode)) {
      TakeAll(child);
    } else if (S_ISREG(info.st_mode)) {
      FaultfsShadowCreated(child);
      SyncFile(child, &info);
    }
  }
  if (entries != NULL) closedir(entries);
  SyncDirectory(path);
}

void FaultfsShadowInit(const char* directory, const char* shadow) {
  static const char* const parts[] = {"live", "data", "dirs"};
  root = directory;
  root_bytes = strlen(root);
  shadow_root = shadow;
  bool first = false;
  for (size_t i = 0; i < sizeof parts / sizeof *parts; ++i) {
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", shadow, parts[i]);
    first = mkdir(path, 0700) == 0 || first;
  }
  if (first) TakeAll(root);
}
