// The programs, as tests run them.
#pragma once

#include <nlohmann/json.hpp>

#include <functional>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "support/files.h"
#include "support/oracle.h"
#include "support/process.h"

namespace pipedup::test {

using Json = nlohmann::json;
using Words = std::vector<std::string>;

/// The variable with which subscribers may read the publisher's journal. Without it they are
/// tested over the network.
inline constexpr const char* kAttached = "PIPEDUP_TEST_ATTACHED";

/// Those of another build, in `directory`; to be called before the first use of any.
void UseProgramsIn(const std::string& directory);
const std::string& PublisherBinary();
const std::string& SubscriberBinary();
const std::string& RelayBinary();
const std::string& TeeBinary();
const std::string& TopBinary();
const std::string& KeygenBinary();

/// A program that says in JSON, on stderr, what happens.
class Program : public Process {
 public:
  using Process::Process;
  using EventTest = std::function<bool(const Json& event)>;

  /// The first event of that name that passes; nothing if none came.
  std::optional<Json> WaitForEvent(const std::string& name, const EventTest& test = {},
                                   Duration patience = kPatience);
  /// All events of that name so far.
  std::vector<Json> events(const std::string& name) const;
  bool said(const std::string& name) const { return !events(name).empty(); }
};

/// Keeps its journal in the test's directory. Binds any free port unless `options` have --bind.
class Publisher : public Program {
 public:
  struct Setup {
    Words options = {};
    Words producer = {};  ///< what follows "--"
    Stdio input = Stdio::Pipe();
    Stdio output = Stdio::Null();
    Words wrapper = {};  ///< runs the program: its own words come after these
  };
  /// Returns when it listens. Throws std::runtime_error, with all it said, if it never does.
  Publisher(const TempDir& directory, Setup setup);
  explicit Publisher(const TempDir& directory) : Publisher(directory, Setup()) {}
  Publisher(const TempDir& directory, Words options)
      : Publisher(directory, Setup{.options = std::move(options)}) {}

  const std::string& endpoint() const { return endpoint_; }
  const std::string& session() const { return session_; }
  /// Waits until `count` subscribers have joined, ever.
  [[nodiscard]] bool WaitForJoined(std::size_t count, Duration patience = kPatience);
  /// Everything that is produced from here on: writes it and ends.
  [[nodiscard]] bool WriteAndEnd(std::string_view bytes, Duration patience = kPatience);

 private:
  std::string endpoint_;
  std::string session_;
};

/// Keeps its journal in the test's directory. Binds a port of its own, at which another one can
/// be started when it is gone, unless `options` have --bind.
class Relay : public Program {
 public:
  Relay(const TempDir& directory, const std::string& from, Words options = {});

  /// Where subscribers connect, there being anything to read or not.
  const std::string& endpoint() const { return endpoint_; }
  /// Returns when it has a stream to pass on; false if it never does.
  [[nodiscard]] bool WaitUntilListening(Duration patience = kPatience);
  /// The same, and it receives live blocks.
  [[nodiscard]] bool WaitUntilLive(Duration patience = kPatience);
  /// Waits until `count` subscribers have joined, ever.
  [[nodiscard]] bool WaitForJoined(std::size_t count, Duration patience = kPatience);

 private:
  struct BoundTag {};
  Relay(const TempDir& directory, const std::string& from, Words options, BoundTag bound);

  std::string endpoint_;
};

/// Writes to a file in the test's directory unless told otherwise.
class Subscriber : public Program {
 public:
  Subscriber(const TempDir& directory, const std::string& endpoint, Words options = {});
  Subscriber(const std::string& endpoint, Words options, Stdio output);

  /// Returns when it receives live blocks, or reads the journal itself.
  [[nodiscard]] bool WaitUntilLive(Duration patience = kPatience);
  /// Waits until its file holds `bytes` bytes, or more.
  [[nodiscard]] bool WaitForBytes(std::size_t bytes, Duration patience = kPatience);
  std::string delivered() const { return ReadFile(file_); }
  const std::string& file() const { return file_; }

  /// Of a subscriber that has ended: what it delivered and said.
  Account account() const { return account(delivered()); }
  /// The same, where its output did not go to its file.
  Account account(std::string delivered) const;
  /// The last line of --stats; null before.
  Json stats() const;

 private:
  std::string file_;
};

/// What a subscriber that has ended wrote, and what it said about it.
Account AccountOf(const Program& subscriber, std::string delivered);

/// Feeds a publisher from a thread of its own, as a producer does that may have to wait.
class Feeder {
 public:
  /// Writes `bytes`, and ends the input.
  Feeder(Publisher& publisher, const std::string& bytes)
      : thread_([&publisher, &bytes, this] { wrote_ = publisher.WriteAndEnd(bytes); }) {}
  ~Feeder() {
    if (thread_.joinable()) thread_.join();
  }
  Feeder(const Feeder&) = delete;
  Feeder& operator=(const Feeder&) = delete;

  /// Waits for it. Whether all of it was read.
  bool Done() {
    thread_.join();
    return wrote_;
  }

 private:
  bool wrote_ = false;
  std::thread thread_;
};

/// What a program did that was run to its end.
struct Outcome {
  int status = kStillRunning;
  std::string out = {};
  Words errors = {};  ///< lines on stderr
};
Outcome RunToEnd(Command command, Duration patience = kPatience);

}  // namespace pipedup::test
