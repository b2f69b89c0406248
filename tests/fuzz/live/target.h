// A publisher that is sent bytes that mean no good, and a subscriber beside them that has to
// get every byte.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "keyed_peer.h"
#include "peers.h"
#include "support/files.h"
#include "support/programs.h"

namespace pipedup::fuzz {

class Target {
 public:
  /// `way`: "memory", "wait" (--slow wait), "disk" (--journal, --slow wait), "keys". Throws
  /// std::runtime_error, as all below do: something does not hold.
  Target(const std::string& way, std::uint64_t most_bytes);

  /// The next `bytes` bytes, all known.
  void Produce(std::size_t bytes);
  /// The publisher serves, the good subscriber has every byte, memory and descriptors are as
  /// they were.
  void Check();
  /// With keys: who there is; else null.
  const KeyRing* keys() const { return keys_ ? &*keys_ : nullptr; }
  /// Puts a key on the list or takes it off, or breaks the list; tells the publisher and waits
  /// until that is done.
  void ChangeList(Dice& dice);
  /// Ends the stream: both end as they should.
  void Finish();

  /// The publisher has made a socket anew since this was asked last: whoever was about to come
  /// in was cut off.
  bool WasRemade();

  Surroundings known() const;
  std::uint16_t port() const { return port_; }
  std::uint64_t anonymous_bytes() const;
  std::string log() const { return publisher_.log(); }

 private:
  std::string Ask(const std::string& request) const;

  void WriteList() const;

  const test::TempDir directory_;
  const std::uint64_t most_bytes_;
  std::optional<KeyRing> keys_;
  std::size_t told_ = 0;  // of changes to the list
  test::Publisher publisher_;
  test::Subscriber good_;
  std::uint16_t port_ = 0;
  std::string good_id_;
  std::string produced_;
  std::size_t checked_ = 0;
  std::size_t descriptors_ = 0;
  std::size_t remade_ = 0;
};

}  // namespace pipedup::fuzz
