#pragma once
// What the small programs of this folder share. Errors end the process: a run whose source or
// sink failed has no figures worth keeping.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>

namespace pipedup::bench {

/// Prints "PROGRAM: MESSAGE[: errno text]" on stderr and exits with 1 (2 from Options).
[[noreturn]] void Die(std::string_view message, int error_number = 0);

/// CLOCK_MONOTONIC in nanoseconds; the same clock in every process of a machine.
std::uint64_t MonotonicNs();

/// Makes SIGTERM end the blocking call in progress with EINTR and SIGPIPE an ordinary EPIPE.
/// The runner stops a stuck program this way and still gets its report.
void CatchSignals();
bool StopRequested();

/// From stdin: blocks for the first byte, then takes what is there. 0 at end of file.
std::size_t ReadGreedily(char* buffer, std::size_t capacity);

/// False when it fails, with errno; a signal does not end it.
[[nodiscard]] bool WriteAll(int descriptor, std::string_view data);

/// To 1 MiB, when the descriptor is a pipe.
void EnlargePipe(int descriptor);

/// The command line: "--name value" and "--flag", nothing else. Dies on what it does not know.
class Options {
 public:
  Options(int argc, char** argv, const std::set<std::string>& with_value,
          const std::set<std::string>& flags);

  bool Has(const std::string& name) const { return values_.count(name) != 0; }
  std::string Text(const std::string& name, const std::string& fallback = "") const;
  std::uint64_t Number(const std::string& name, std::uint64_t fallback) const;
  /// Bytes: "1000", "256KiB", "1MiB", "2GiB", "50MB".
  std::uint64_t Size(const std::string& name, std::uint64_t fallback) const;
  /// Nanoseconds, from "250ms", "5s", "2m".
  std::uint64_t DurationNs(const std::string& name, std::uint64_t fallback) const;

 private:
  std::map<std::string, std::string> values_;
};

/// XXH3-64 over everything handed to Update, in order.
class Hasher {
 public:
  Hasher();
  ~Hasher();
  Hasher(const Hasher&) = delete;
  Hasher& operator=(const Hasher&) = delete;
  void Update(const void* data, std::size_t size);
  std::string Hex() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// One flat JSON object. Save() writes a temporary file and renames it, so that a report that
/// exists is complete.
class Report {
 public:
  void Add(const std::string& key, std::uint64_t value);
  void Add(const std::string& key, double value);
  void Add(const std::string& key, const std::string& value);
  void Save(const std::string& path) const;
  /// On stdout.
  void Print() const;

 private:
  void AddRaw(const std::string& key, const std::string& json);
  std::string fields_;
};

}  // namespace pipedup::bench
