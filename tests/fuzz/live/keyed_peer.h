// A peer of a publisher with keys, that means no good.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "connection.h"
#include "curve.h"

namespace pipedup::fuzz {

/// Who there is, to a peer: changes while it talks.
struct KeyRing {
  CurveKey::Bytes server{};
  CurveKey allowed;
  CurveKey leaving;  ///< is put on the list, and taken off again
  bool leaving_is_in = false;
  std::uint64_t changes = 0;  ///< of the list
  std::uint64_t cuts = 0;     ///< those that took one off, and closed all connections
};

/// Frames that others have sent, to be sent again.
struct Overheard {
  std::vector<std::string> hellos;
  std::vector<std::string> initiates;
  std::vector<std::string> messages;
};

/// Greeting, HELLO, INITIATE and messages, each sound, or changed, cut short, too long, sent
/// twice, or another's; with a key that is on the list or is not. What is sound is answered if
/// the key is on the list, and nobody whose key is not comes in.
class KeyedPeer final : public Peer {
 public:
  /// `conversation` is filled in with what is sent.
  KeyedPeer(std::uint16_t port, const KeyRing& ring, const Surroundings& known,
            std::uint64_t seed, Overheard& overheard, Conversation& conversation);
  bool SendNext() override;
  bool stays() const override { return conversation_.end == End::kStay; }
  void Finish() override;

 private:
  enum class Stage : std::uint8_t { kGreeting, kHello, kInitiate, kMessages };
  void Greet();
  void SayHello();
  void Initiate();
  bool SayMore();
  void Send(std::string bytes);
  /// Whatever comes now is not understood, or is refused: nothing is waited for any more.
  void GoOnBlindly() { awaits_ = false; }
  /// `frame` as others remember it, or something that it should not be.
  std::string Spoiled(std::string frame, std::vector<std::string>& others);
  /// An answer has to come: nothing was wrong, and it was not cut off.
  bool Expects() const { return awaits_ && cuts_ == ring_.cuts; }
  bool IsOnList() const;

  const KeyRing& ring_;
  Dice dice_;
  Overheard& overheard_;
  Conversation& conversation_;
  const std::uint64_t changes_;  // of the ring, when it came
  const std::uint64_t cuts_;
  const CurveKey own_;
  const bool came_as_stranger_;
  CurveClient client_;
  std::vector<Said> said_;
  std::size_t next_ = 0;
  Stage stage_ = Stage::kGreeting;
  bool awaits_ = true;
  Connection connection_;
};

/// One with a key of the list comes in on both ports, and gets answers. False if not.
bool ServesOneWithAKey(std::uint16_t port, const KeyRing& ring, const Surroundings& known);

}  // namespace pipedup::fuzz
