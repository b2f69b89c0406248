// This process and its surroundings.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/secret.h"

namespace pipedup {

/// Raises the soft limit of open descriptors to the hard one: libzmq aborts when it runs out.
/// Once, before there are threads. Children that StartChild makes have what was before.
void RaiseDescriptorLimit();
/// How many descriptors this process may have open.
std::uint64_t DescriptorLimit();

/// While it lives, the soft limit is what it was before RaiseDescriptorLimit: for a child to
/// inherit (programs that use select(2) rely on it). Descriptors beyond it stay open.
class ScopedFirstDescriptorLimit {
 public:
  ScopedFirstDescriptorLimit();
  ~ScopedFirstDescriptorLimit();
  ScopedFirstDescriptorLimit(const ScopedFirstDescriptorLimit&) = delete;
  ScopedFirstDescriptorLimit& operator=(const ScopedFirstDescriptorLimit&) = delete;
};

/// Lets freed blocks of a megabyte stay in the heap: libzmq allocates one for each received
/// message, and giving it back to the kernel each time costs a page fault for every 4 KiB. At
/// most 32 MiB of free memory stay at the heap's end. glibc only; does nothing elsewhere.
void KeepFreedBlocksInHeap();

std::string HostName();
std::int64_t ProcessId();
std::uint32_t UserId();
/// Differs after every start of the machine; "" where nobody can say (it is taken for another
/// one then). Source: /proc/sys/kernel/random/boot_id.
std::string BootId();
/// Nothing if there is no group of that name or number.
std::optional<std::uint32_t> GroupId(const std::string& name);

/// The variable's value, or "" if it is not set.
std::string Environment(const std::string& name);
/// The same, and takes the variable away: no child will see it, nor who looks at this process
/// in /proc. Before any other thread is there.
Secret TakeVariable(const std::string& name);

/// Where a journal in memory may go, best first: $XDG_RUNTIME_DIR, /dev/shm, $TMPDIR or /tmp.
std::vector<std::string> RuntimeDirectories();

/// While it lives, nothing that this process creates is open to other users.
class ScopedPrivateUmask {
 public:
  ScopedPrivateUmask();
  ~ScopedPrivateUmask();
  ScopedPrivateUmask(const ScopedPrivateUmask&) = delete;
  ScopedPrivateUmask& operator=(const ScopedPrivateUmask&) = delete;

 private:
  unsigned saved_;
};

}  // namespace pipedup
