// The fixture of all hostile tests: a publisher, a good subscriber that is there all along, and
// what both have to look like when the others have done their worst.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "support/content.h"
#include "support/programs.h"
#include "zmtp_peer.h"

namespace pipedup::test {

/// `moderate` in an ordinary run, `full` with PIPEDUP_HOSTILE_FULL=1 (tests/hostile/run).
std::size_t Sized(std::size_t moderate, std::size_t full);

/// What a process holds.
struct Held {
  std::uint64_t private_kib = 0;  ///< RssAnon
  std::size_t descriptors = 0;
  double cpu_seconds = 0;
};
Held HeldBy(pid_t pid);
/// Whether it hardly used the processor in the last 200 ms, which this waits for.
bool IsIdle(pid_t pid);

class HostileTest : public ::testing::Test {
 protected:
  /// Starts both, over tcp and, with `ipc`, over that as well.
  void Start(Words options = {}, Words wrapper = {}, bool ipc = false);

  const Endpoint& tcp() const { return tcp_; }
  const Endpoint& ipc() const { return ipc_; }
  /// Publishes some more, without waiting for anybody.
  void Produce();
  /// Publishes some more, and waits until the good subscriber has all of it.
  void ExpectTheGoodOneIsServed();
  /// Asks for statistics until there is an answer.
  Json Stats();
  std::uint64_t Counter(const std::string& name) { return Stats().at("counters").at(name); }

  /// Lets go of all peers. Then: the good one has every byte, memory and descriptors are back
  /// within the bound of docs/promises.md, the publisher is idle, and both end well.
  void ExpectNoHarm();

  const TempDir directory_;
  std::unique_ptr<Publisher> publisher_;
  std::unique_ptr<Subscriber> good_;
  std::vector<std::unique_ptr<ZmtpPeer>> peers_;
  /// Of the publisher's private memory, where it was looked at.
  std::uint64_t highest_kib_ = 0;

  /// Notes the publisher's memory now.
  void Look();

 private:
  Endpoint tcp_;
  Endpoint ipc_;
  std::string produced_;
  std::size_t parts_ = 0;
  Held before_;
};

}  // namespace pipedup::test
