// A file layer that fails on demand: an LD_PRELOAD library for Linux with glibc. It acts on
// plain files below $FAULT_DIR and leaves everything else alone; where it acts, the calls go to
// the kernel without a detour, so that it works the same in front of a sanitizer's runtime.
//
//   FAULT_DIR      the directory, as an absolute path without symbolic links
//   FAULT_RULES    "CALL GLOB FIRST LAST ACTION; ...": what happens at the FIRST to LAST call
//   of a
//                  kind, by this process, on files whose name matches GLOB
//     CALL         create open read write sync close rename unlink truncate; say: a line on
//     stderr
//                  with "event":"GLOB"
//     GLOB         of fnmatch(3), for the name without its directory; "pipe:*": descriptors 1
//                  and 3 and above that are pipes (CALL write only)
//     ACTION       enospc eio erofs  the call fails
//                  short             half of it is written, and said
//                  kill-before, kill-torn, kill-after    SIGKILL before, half way, and after it
//                  skip              nothing happens, and success is told: for programs that
//                  are
//                                    broken on purpose, as is
//                  repeat            a write happens twice
//   FAULT_SPACE    files may grow by this many bytes, less what they shrink: then ENOSPC
//   FAULT_SHADOW   an existing directory, on the same file system, in which is kept what a
//   machine
//                  that crashes would still have: bytes that were fsynced, under names that
//                  were made durable by an fsync of their directory. shadow.h reads it.
//   FAULT_TRACE    a file that gets a line for every rule that acts
//   FAULT_BOOT_ID  what /proc/sys/kernel/random/boot_id says
//
// Bytes written through a mapping are not seen: nobody here writes through one.
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum FaultCall {
  kCreate,
  kOpen,
  kRead,
  kWrite,
  kSync,
  kClose,
  kRename,
  kUnlink,
  kTruncate,
  kSay,
  kCalls
};

enum FaultAction {
  kPass,
  kNoSpace,
  kIoError,
  kReadOnly,
  kShort,
  kKillBefore,
  kKillTorn,
  kKillAfter,
  kSkip,
  kRepeat,
  kActions
};

/// What a call is about.
struct FaultFile {
  bool ours;  ///< it is below FAULT_DIR, or a pipe that a rule is about
  bool pipe;
  char path[PATH_MAX];
  const char* name;  ///< the last part of `path`
};

// ---- rules.c ----

bool FaultfsActive(void);
/// Of the open descriptor; `ours` is false for all that is no plain file or directory of ours.
void FaultfsFindDescriptor(int fd, struct FaultFile* file);
void FaultfsFindPath(int directory, const char* path, struct FaultFile* file);
/// Counts the call, and kills this process if a rule says so. kKillAfter is the caller's to
/// do, by FaultfsAfter; the other errors have set errno.
enum FaultAction FaultfsBefore(enum FaultCall call, const struct FaultFile* file);
void FaultfsAfter(enum FaultAction action);
bool FaultfsFails(enum FaultAction action);  ///< the call is to return -1, errno is set
_Noreturn void FaultfsDie(void);
/// How much of `bytes` more there is room for, which is taken; gives back `bytes` that are
/// free.
size_t FaultfsTakeSpace(size_t bytes);
void FaultfsGiveSpace(size_t bytes);
/// A descriptor that holds FAULT_BOOT_ID; -1 if `path` is another file or nothing is set.
int FaultfsBootId(const char* path);
/// Whether a rule mutes what is about to be said on stderr.
bool FaultfsMutes(const char* text, size_t bytes);

// ---- shadow.c ----

void FaultfsShadowInit(const char* directory, const char* shadow);
/// A name was created: its inode is kept, so that its number says which file it was for good.
void FaultfsShadowCreated(const char* path);
/// Bytes from `from` on are not what was synced last.
void FaultfsShadowDirty(int fd, off_t from);
void FaultfsShadowSync(int fd, const struct FaultFile* file);
