#include "peers.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <nlohmann/json.hpp>
#include <string_view>

namespace pipedup::fuzz {
namespace {

using namespace std::string_literals;
using Json = nlohmann::ordered_json;
using test::BigEndian;
using test::kZmtpCommand;
using test::kZmtpMore;
using test::ZmtpCommand;
using test::ZmtpFrame;
using test::ZmtpGreeting;
using test::ZmtpProperty;

std::string Handshake(const std::string& type) {
  return ZmtpGreeting() + ZmtpCommand("READY", Metadata(type));
}

// ---- mutations ----

std::string Nested(std::size_t depth, char open, char close) {
  return std::string(depth, open) + std::string(depth, close);
}

/// JSON text of a value that belongs nowhere, or just not there.
std::string OddValue(Dice& dice, const Surroundings& known) {
  const std::array odd = {"0"s,
                          "-1"s,
                          "1"s,
                          "1.5"s,
                          "1e309"s,
                          "-0.0"s,
                          "4194304"s,
                          "4194305"s,
                          "9223372036854775808"s,
                          "18446744073709551615"s,
                          "18446744073709551616"s,
                          std::to_string(known.head),
                          std::to_string(known.head + 1),
                          "null"s,
                          "true"s,
                          "\"\""s,
                          "[]"s,
                          "{}"s,
                          "{\"last\":18446744073709551615}"s,
                          "{\"last\":0}"s,
                          "{\"since\":0}"s,
                          "{\"last\":1,\"since\":1}"s,
                          Nested(15, '[', ']'),
                          Nested(2000, '[', ']'),
                          "\"" + std::string(257, 'x') + "\"",
                          "\"" + std::string(9000, 'x') + "\"",
                          "\"\\u0000\\ud800\""s,
                          "\"\xff\xfe\""s,
                          "\"0000000000000000\""s,
                          "\"" + known.session + "\"",
                          "\"ended\""s,
                          "\"top\""s,
                          "\"relay\""s,
                          "\"A1\""s};
  if (dice.OneIn(40)) return "\"" + known.subscriber + "\"";
  return dice.Pick(odd);
}

std::string MutateMembers(Dice& dice, const Surroundings& known, const std::string& text) {
  Json message = Json::parse(text);
  std::vector<std::string> values;
  for (std::uint64_t i = 0; i <= dice.Below(2); ++i) {
    const auto member =
        std::next(message.begin(), static_cast<long>(dice.Below(message.size())));
    const std::string name = member.key();
    if (dice.OneIn(4) && message.size() > 1) {
      message.erase(name);
    } else {
      message[dice.OneIn(6) ? name + "x" : name] = "@" + std::to_string(values.size());
      values.push_back(OddValue(dice, known));
    }
  }
  std::string out = message.dump();
  for (std::size_t i = 0; i < values.size(); ++i) {
    const std::string mark = "\"@" + std::to_string(i) + "\"";
    const std::size_t at = out.find(mark);
    if (at != out.npos) out.replace(at, mark.size(), values[i]);
  }
  return out;
}

// ---- conversations ----

/// What a subscriber says in its life.
std::vector<std::string> Messages(const Surroundings& known, const std::string& id) {
  const std::string session = "\"session\":\"" + known.session + "\"";
  const std::string head = std::to_string(known.head);
  return {
      R"({"op":"hello","v":1,"id":")" + id +
          R"(","stream":"default","name":"n","host":"h","pid":1,"role":"sub"})",
      R"({"op":"read","request":1,)" + session + R"(,"from":0,"max":65536})",
      R"({"op":"status",)" + session + R"(,"position":0,"lost":0,"mode":"catch-up"})",
      R"({"op":"read","request":2,)" + session + R"(,"from":{"last":10},"max":4194304})",
      R"({"op":"read","request":3,)" + session + R"(,"from":{"since":1},"max":1000})",
      R"({"op":"stats"})",
      R"({"op":"read","request":0,)" + session + R"(,"from":)" + head + R"(,"max":0})",
      R"({"op":"status",)" + session + R"(,"position":)" + head + R"(,"lost":5,"mode":"live"})",
      R"({"op":"bye"})"};
}

std::vector<Said> ControlMessages(Dice& dice, const Surroundings& known) {
  constexpr std::array kIds = {"a1", "a2", "A3", "0", "ffffffffffffffff"};
  std::vector<std::string> messages = Messages(known, dice.Pick(kIds));
  for (std::uint64_t i = dice.Below(4); i > 0; --i) {  // again, or never, or elsewhere
    const std::size_t at = dice.Below(messages.size());
    const std::size_t to = dice.Below(messages.size());
    if (dice.OneIn(2)) messages.push_back(messages[at]);
    if (dice.OneIn(3) && messages.size() > 2)
      messages.erase(messages.begin() + static_cast<long>(at));
    if (dice.OneIn(3))
      std::swap(messages[std::min(at, messages.size() - 1)],
                messages[std::min(to, messages.size() - 1)]);
  }
  std::vector<Said> said;
  for (std::string& message : messages) {
    if (dice.OneIn(3)) message = MutateMembers(dice, known, message);
    if (dice.OneIn(6)) MutateBytes(dice, message);
    said.push_back({std::move(message), dice.OneIn(12) ? kZmtpMore : 0});
  }
  return said;
}

std::string OddFrames(Dice& dice) {
  std::string bytes;
  for (std::uint64_t i = 0; i <= dice.Below(8); ++i) {
    bytes += dice.Byte();
    if (dice.OneIn(2)) bytes += BigEndian(dice.OneIn(2) ? dice.Any() : dice.Below(20'000), 8);
    bytes += RandomBytes(dice, 300);
  }
  return bytes;
}

Said CommandOf(const std::string& name, const std::string& rest) {
  return {BigEndian(name.size(), 1) + name + rest, kZmtpCommand};
}

std::vector<Said> Subscriptions(Dice& dice) {
  std::vector<Said> said;
  for (std::uint64_t i = 0; i <= dice.Below(30); ++i) {
    const std::array topics = {
        ""s,   "default\0"s,         "default"s, "d"s, std::string(5000, 't'),
        "\0"s, RandomBytes(dice, 40)};
    const std::string& topic = dice.Pick(topics);
    switch (dice.Below(5)) {
      case 0:
        said.push_back(CommandOf(dice.OneIn(2) ? "SUBSCRIBE" : "CANCEL", topic));
        break;
      case 1:
        said.push_back(CommandOf("PING", BigEndian(dice.Any(), 2) + RandomBytes(dice, 40)));
        break;
      case 2:
        said.push_back({RandomBytes(dice, 600), dice.OneIn(2) ? kZmtpMore : 0});
        break;
      default:
        said.push_back({(dice.OneIn(3) ? "\0"s : "\1"s) + topic});
    }
  }
  return said;
}

std::string OddReady(Dice& dice) {
  constexpr std::array kNames = {"READY", "ERROR", "HELLO", "INITIATE", "PING", "READ"};
  const std::string name = dice.OneIn(2) ? "READY" : dice.Pick(kNames);
  return ZmtpCommand(name, OddMetadata(dice));
}

/// All that is sent, or what follows a sound handshake: that is the conversation's first part
/// then.
std::string BytesFor(Dice& dice, const Surroundings& known, Conversation* to) {
  to->control = dice.OneIn(2);
  std::string after;
  for (const Said& said : WhatIsSaid(dice, known, to->control)) {
    after += ZmtpFrame(said.body, said.flags);
  }
  const std::string shake = Handshake(SocketType(dice, to->control));
  switch (dice.Below(10)) {
    case 0:
      return dice.OneIn(2) ? "GET / HTTP/1.1\r\nHost: x\r\n\r\n"s : RandomBytes(dice, 3000);
    case 1: {
      std::string greeting = ZmtpGreeting();
      MutateBytes(dice, greeting);
      return greeting + shake.substr(ZmtpGreeting().size()) + after;
    }
    case 2:
      return ZmtpGreeting() + OddReady(dice) + after;
    case 3:
      return shake + after;
    case 4:
      after = OddFrames(dice);
      break;
    case 5:
      MutateBytes(dice, after);
      break;
    default:
      break;
  }
  to->shakes = true;
  to->parts.push_back(shake);
  return after;
}

}  // namespace

void MutateBytes(Dice& dice, std::string& bytes) {
  for (std::uint64_t i = 0; i <= dice.Below(3); ++i) {
    const std::size_t at = bytes.empty() ? 0 : dice.Below(bytes.size());
    switch (dice.Below(5)) {
      case 0:
        bytes.insert(at, 1, dice.Byte());
        break;
      case 1:
        bytes.erase(at, 1 + dice.Below(8));
        break;
      case 2:
        bytes.insert(at, bytes.substr(at, dice.Below(40)));
        break;
      case 3:
        bytes.resize(at);
        break;
      default:
        if (!bytes.empty()) bytes[at] = dice.Byte();
    }
  }
}

std::string RandomBytes(Dice& dice, std::size_t most) {
  std::string bytes(dice.Below(most), '\0');
  for (char& byte : bytes) byte = dice.Byte();
  return bytes;
}

std::string Metadata(const std::string& type) {
  return ZmtpProperty("Socket-Type", type) + ZmtpProperty("Identity", "");
}

std::string OddMetadata(Dice& dice) {
  std::string properties;
  constexpr std::array kTypes = {"SUB",  "PUB",  "DEALER", "REQ", "ROUTER",
                                 "XSUB", "PAIR", "",       "X"};
  for (std::uint64_t i = 0; i <= dice.Below(5); ++i) {
    properties += dice.OneIn(2) ? ZmtpProperty("Socket-Type", dice.Pick(kTypes))
                                : ZmtpProperty(RandomBytes(dice, 250), RandomBytes(dice, 300));
  }
  if (dice.OneIn(2)) MutateBytes(dice, properties);
  return properties;
}

std::string SocketType(Dice& dice, bool control) {
  constexpr std::array kReaders = {"SUB", "XSUB"};
  constexpr std::array kAskers = {"DEALER", "REQ", "ROUTER"};
  return control ? dice.Pick(kAskers) : dice.Pick(kReaders);
}

std::vector<Said> WhatIsSaid(Dice& dice, const Surroundings& known, bool control) {
  return control ? ControlMessages(dice, known) : Subscriptions(dice);
}

std::vector<std::string> SoundMessages(const Surroundings& known) {
  std::vector<std::string> messages = Messages(known, "600d");
  messages.pop_back();  // it does not say bye before it has its answers
  return messages;
}

Conversation Recorded(const Surroundings& known) {
  Conversation made{
      .control = true, .shakes = true, .parts = {Handshake("DEALER")}, .end = End::kStay};
  for (const std::string& message : SoundMessages(known)) {
    made.parts.push_back(ZmtpFrame(message));
  }
  return made;
}

Conversation MakeConversation(Dice& dice, const Surroundings& known) {
  Conversation made;
  std::string bytes = BytesFor(dice, known, &made);
  for (std::uint64_t pieces = dice.Below(5); pieces > 0 && bytes.size() > 1; --pieces) {
    const std::size_t length = 1 + dice.Below(bytes.size());
    made.parts.push_back(bytes.substr(0, length));
    bytes.erase(0, length);
  }
  if (!bytes.empty()) made.parts.push_back(std::move(bytes));
  made.end = static_cast<End>(dice.Below(3));
  return made;
}

}  // namespace pipedup::fuzz
