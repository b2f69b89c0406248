#include "keyed_peer.h"

#include <stdexcept>
#include <string_view>
#include <utility>

namespace pipedup::fuzz {
namespace {

using test::kZmtpGreetingBytes;

constexpr std::size_t kMostOverheard = 16;
constexpr std::string_view kReady = "\x05READY";
constexpr std::size_t kMostAnswers = 1000;  // to the sound messages, blocks included

CurveKey Choose(Dice& dice, const KeyRing& ring) {
  switch (dice.Below(4)) {
    case 0:
      return ring.leaving;
    case 1:
      return CurveKey::FromSeed(dice);
    default:
      return ring.allowed;
  }
}

std::uint16_t PortFor(std::uint16_t port, const Conversation& conversation) {
  return static_cast<std::uint16_t>(port + (conversation.control ? 1 : 0));
}

}  // namespace

KeyedPeer::KeyedPeer(std::uint16_t port, const KeyRing& ring, const Surroundings& known,
                     std::uint64_t seed, Overheard& overheard, Conversation& conversation)
    : ring_(ring),
      dice_(seed),
      overheard_(overheard),
      conversation_(conversation),
      changes_(ring.changes),
      cuts_(ring.cuts),
      own_(Choose(dice_, ring)),
      came_as_stranger_(!IsOnList()),
      client_(own_, dice_.OneIn(20) ? CurveKey::FromSeed(dice_).shown : ring.server, dice_),
      said_(WhatIsSaid(dice_, known, conversation.control)),
      connection_(PortFor(port, conversation)) {}

void KeyedPeer::Send(std::string bytes) {
  connection_.Send(bytes);
  conversation_.parts.push_back(std::move(bytes));
}

std::string KeyedPeer::Spoiled(std::string frame, std::vector<std::string>& others) {
  const std::string sound = frame;
  switch (dice_.Below(6)) {
    case 0:
      frame[dice_.Below(frame.size())] ^= static_cast<char>(1 << dice_.Below(8));
      break;
    case 1:
      frame.resize(dice_.Below(frame.size()));
      break;
    case 2:
      frame += RandomBytes(dice_, 2000);
      break;
    case 3:
      MutateBytes(dice_, frame);
      break;
    case 4:
      frame += frame;
      break;
    default:
      if (!others.empty()) frame = dice_.Pick(others);
  }
  if (others.size() < kMostOverheard) {
    others.push_back(sound);
  } else {
    others[dice_.Below(others.size())] = sound;
  }
  return frame;
}

bool KeyedPeer::SendNext() {
  switch (stage_) {
    case Stage::kGreeting:
      Greet();
      stage_ = Stage::kHello;
      return true;
    case Stage::kHello:
      dice_.OneIn(30) ? GoOnBlindly() : SayHello();  // some leave out what should come first
      stage_ = Stage::kInitiate;
      return true;
    case Stage::kInitiate:
      dice_.OneIn(30) ? GoOnBlindly() : Initiate();
      stage_ = Stage::kMessages;
      return true;
    case Stage::kMessages:
      break;
  }
  return SayMore();
}

void KeyedPeer::Greet() {
  std::string greeting = test::ZmtpGreeting(dice_.OneIn(30) ? "PLAIN" : "CURVE");
  if (dice_.OneIn(15)) MutateBytes(dice_, greeting);
  const bool sound = greeting == test::ZmtpGreeting("CURVE");
  Send(std::move(greeting));
  if (!sound) return GoOnBlindly();
  if (Expects() && connection_.Await(kZmtpGreetingBytes).size() < kZmtpGreetingBytes) {
    throw NotAnswered();
  }
}

void KeyedPeer::SayHello() {
  const std::string hello = client_.Hello();
  const std::string sent = dice_.OneIn(4) ? Spoiled(hello, overheard_.hellos) : hello;
  Send(sent);
  if (sent != hello) return GoOnBlindly();
  if (!Expects()) return;
  // With another server's key it is not for this one, which says nothing.
  const std::string welcome = connection_.Await(kWelcomeBytes);
  if (!client_.TakeWelcome(welcome)) GoOnBlindly();
}

void KeyedPeer::Initiate() {
  const bool odd = dice_.OneIn(8);
  const std::string metadata =
      odd ? OddMetadata(dice_) : Metadata(SocketType(dice_, conversation_.control));
  const bool lies = dice_.OneIn(10);
  const CurveKey voucher = lies ? CurveKey::FromSeed(dice_) : own_;
  const std::string initiate = client_.Initiate(metadata, voucher, dice_);
  const std::string sent = dice_.OneIn(5) ? Spoiled(initiate, overheard_.initiates) : initiate;
  Send(sent);
  if (odd || lies || sent != initiate || !IsOnList()) return GoOnBlindly();
  if (Expects() && !connection_.AwaitFrame().starts_with(kReady)) {
    throw std::runtime_error("one with a key of the list is not let in");
  }
}

bool KeyedPeer::IsOnList() const {
  return own_.shown == ring_.allowed.shown ||
         (own_.shown == ring_.leaving.shown && ring_.leaving_is_in);
}

bool KeyedPeer::SayMore() {
  if (next_ == said_.size()) return false;
  const Said& said = said_[next_++];
  if (dice_.OneIn(20)) client_.Repeat();
  std::string frame = client_.Message(said);
  if (dice_.OneIn(25)) frame = test::ZmtpFrame(said.body, said.flags);  // not encrypted
  if (dice_.OneIn(12)) frame = Spoiled(std::move(frame), overheard_.messages);
  Send(std::move(frame));
  return true;
}

void KeyedPeer::Finish() {
  const bool still_stranger = came_as_stranger_ && changes_ == ring_.changes;
  if (still_stranger && connection_.Received().find(kReady) != std::string::npos) {
    throw std::runtime_error("one whose key is not on the list is let in");
  }
  connection_.Finish(conversation_.end);
}

namespace {

bool ShakeHands(Connection& connection, CurveClient& client, const CurveKey& own,
                const std::string& type, Dice& dice) {
  connection.Send(test::ZmtpGreeting("CURVE"));
  if (connection.Await(kZmtpGreetingBytes).size() < kZmtpGreetingBytes) return false;
  connection.Send(client.Hello());
  if (!client.TakeWelcome(connection.Await(kWelcomeBytes))) return false;
  connection.Send(client.Initiate(Metadata(type), own, dice));
  return connection.AwaitFrame().starts_with(kReady);
}

}  // namespace

bool ServesOneWithAKey(std::uint16_t port, const KeyRing& ring, const Surroundings& known) {
  Dice dice(known.head);
  Connection data(port);
  CurveClient reads(ring.allowed, ring.server, dice);
  if (!ShakeHands(data, reads, ring.allowed, "SUB", dice)) return false;
  Connection control(static_cast<std::uint16_t>(port + 1));
  CurveClient asks(ring.allowed, ring.server, dice);
  if (!ShakeHands(control, asks, ring.allowed, "DEALER", dice)) return false;
  for (const std::string& message : SoundMessages(known)) {
    control.Send(asks.Message({message, 0}));
  }
  for (std::size_t i = 0; i < kMostAnswers; ++i) {
    const auto answer = asks.Open(control.AwaitFrame());
    if (!answer) return false;
    if (answer->find("\"op\":\"done\"") != answer->npos) return true;
  }
  return false;
}

}  // namespace pipedup::fuzz
