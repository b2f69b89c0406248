// Peers that mean no good: what they send, part by part, told by a seed.
#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "support/zmtp.h"

namespace pipedup::fuzz {

class Dice {
 public:
  explicit Dice(std::uint64_t seed) : engine_(seed) {}
  std::uint64_t Below(std::uint64_t limit) { return engine_() % limit; }
  bool OneIn(std::uint64_t n) { return Below(n) == 0; }
  std::uint64_t Any() { return engine_(); }
  char Byte() { return static_cast<char>(engine_() % 256); }
  template <typename List>
  const auto& Pick(const List& list) {
    return list[Below(std::size(list))];
  }

 private:
  std::mt19937_64 engine_;
};

enum class End : std::uint8_t { kClose, kReset, kStay };

struct Conversation {
  bool control = false;  ///< with the control port, else with the data port
  /// The first part is a sound handshake: the rest comes after the answer to it, as libzmq
  /// takes nothing before.
  bool shakes = false;
  std::vector<std::string> parts;  ///< sent one by one, others in between
  End end = End::kClose;
};

/// What a peer may know of a publisher.
struct Surroundings {
  std::string session;     ///< 16 hex digits
  std::string subscriber;  ///< what `stats` calls the one that has to be served
  std::uint64_t head = 0;
};

/// A subscriber as it should be, that waits for its answers.
Conversation Recorded(const Surroundings& known);

Conversation MakeConversation(Dice& dice, const Surroundings& known);

// ---- what conversations are made of ----

void MutateBytes(Dice& dice, std::string& bytes);
std::string RandomBytes(Dice& dice, std::size_t most);

/// Of a socket that may talk to the control port, or else the data port.
std::string SocketType(Dice& dice, bool control);
/// What a handshake says of such a socket; and one that means no good.
std::string Metadata(const std::string& type);
std::string OddMetadata(Dice& dice);

/// A frame after the handshake.
struct Said {
  std::string body;
  unsigned flags = 0;  ///< kZmtpMore, kZmtpCommand
};
std::vector<Said> WhatIsSaid(Dice& dice, const Surroundings& known, bool control);
/// Requests that are answered, the last ones with "done".
std::vector<std::string> SoundMessages(const Surroundings& known);

}  // namespace pipedup::fuzz
