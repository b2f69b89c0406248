// A client of CURVE (RFC 26 of ZeroMQ) by hand, for peers that do not keep to it. Everything
// that is random in it is told by a seed.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "peers.h"

namespace pipedup::fuzz {

inline constexpr std::size_t kWelcomeBytes = 2 + 168;  ///< of the frame

struct CurveKey {
  using Bytes = std::array<unsigned char, 32>;
  Bytes secret{};
  Bytes shown{};  ///< the public one

  static CurveKey FromSeed(Dice& dice);
  /// Of 32 bytes.
  static CurveKey FromSecret(std::string_view secret);
};

/// The client's side of one connection. What it makes are whole frames, as they are sent.
class CurveClient {
 public:
  CurveClient(const CurveKey& own, const CurveKey::Bytes& server, Dice& dice);

  std::string Hello();
  /// The whole frame. False if it is not what a sound HELLO is answered with.
  [[nodiscard]] bool TakeWelcome(std::string_view frame);
  /// `vouches`: whose key says that the connection's is its own; that of the constructor, in a
  /// sound one. Before a WELCOME, one that nobody can open.
  std::string Initiate(const std::string& metadata, const CurveKey& vouches, Dice& dice);
  std::string Message(const Said& said);
  /// What is in the body of a frame of the server's that comes after READY; nothing if that is
  /// not what was expected.
  std::optional<std::string> Open(std::string_view body) const;

  /// The next message says a number that was used before.
  void Repeat() { next_nonce_ = next_nonce_ > 1 ? next_nonce_ - 1 : 1; }

 private:
  std::string Box(std::string_view nonce, std::string_view plain, const CurveKey::Bytes& to,
                  const CurveKey::Bytes& from) const;

  const CurveKey own_;
  const CurveKey connection_;
  const CurveKey::Bytes server_;
  CurveKey::Bytes server_connection_{};
  std::string cookie_;
  std::uint64_t next_nonce_ = 1;
};

}  // namespace pipedup::fuzz
