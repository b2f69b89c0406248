// The subscriber's mode machine, fed by a publisher that may lie about everything: whatever
// comes in whatever order, what is delivered follows on what was delivered or reported lost
// before.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "subscribe/modes.h"

namespace {

using namespace pipedup;

/// Says which one it was: there are many.
void Require(bool holds, int line = __builtin_LINE()) {
  if (holds) return;
  std::fprintf(stderr, "fuzz_modes.cc:%d: does not hold\n", line);
  std::abort();
}

constexpr std::uint64_t kHoldBytes = 5 * 1024 * 1024;
constexpr std::size_t kPayloadBytes = 4096;

/// Takes numbers off the input; zeros when it is used up.
class Input {
 public:
  Input(const std::uint8_t* data, std::size_t size) : data_(data), left_(size) {}
  bool empty() const { return left_ == 0; }
  std::uint64_t Byte() {
    if (left_ == 0) return 0;
    --left_;
    return *data_++;
  }
  /// Mostly near the others, now and then anything.
  Position Number() {
    const std::uint64_t kind = Byte();
    if (kind < 224) return kind * 256 + Byte();
    if (kind < 240) return kind * 1024 * 1024;
    std::uint64_t number = 0;
    for (int i = 0; i < 8; ++i) number = number << 8 | Byte();
    return number;
  }

 private:
  const std::uint8_t* data_;
  std::size_t left_;
};

class CheckingActions final : public ModeActions {
 public:
  void SendHello() override {}
  void SendRead(const control::Read& read) override {
    if (read.max > 0) sent.push_back(read.request);
    last_request = read.request;
    Require(read.max <= control::kMaxReadBytes);
    Require(!over);
  }
  void Subscribe(const std::string&) override {
    Require(!subscribed && !attached);
    subscribed = true;
  }
  void Unsubscribe(const std::string&) override {
    Require(subscribed);
    subscribed = false;
  }
  bool Attach(const control::Welcome&, Position) override {
    Require(!attached && !over);
    attached = attachable;
    return attached;
  }
  void Detach() override {
    Require(attached);
    attached = false;
  }
  void Deliver(const BlockHeader& header, Position from, SharedBytes bytes) override {
    Require(begun && !ended && !over);
    Require(header.session == session);
    Require(from == expected);
    Require(bytes.size() > 0 && from + bytes.size() == header.end());
    expected = header.end();
    something = true;
    queued += bytes.size();
  }
  void ReportGap(const Gap& gap) override {
    Require(begun && !ended && !over);
    Require(gap.session == session);
    Require(gap.from == expected && gap.to > gap.from);
    expected = gap.to;
    something = true;
  }
  void Begin(const control::Welcome& welcome, Position position) override {
    Require(!over);
    if (begun && welcome.session == session) Require(!something);
    if (welcome.session != session) something = false;
    begun = true;
    ended = false;
    session = welcome.session;
    expected = position;
  }
  void SessionContinues(const control::Welcome& now, SessionId old,
                        Position position) override {
    (void)now, (void)old, (void)position;
  }
  void SessionChanged(const control::Welcome& now, SessionId old) override {
    Require(now.session != old);
    begun = something = false;
  }
  void ModeChanged(control::Mode) override {}
  void EndOfStream(Position, std::uint32_t) override {
    Require(begun && !ended && !over);
    ended = true;
  }
  void Remake() override { remake = true; }
  void Fail(int, const std::string&) override {
    Require(!over);
    over = true;
  }

  std::vector<std::uint64_t> sent;
  std::uint64_t last_request = 0;
  SessionId session = 0;
  Position expected = 0;
  std::uint64_t queued = 0;
  bool begun = false;
  bool something = false;
  bool ended = false;
  bool over = false;
  bool remake = false;
  bool subscribed = false;
  bool attachable = false;
  bool attached = false;
};

SessionId TakeSession(Input& input) {
  return input.Byte() % 16 == 0 ? 2 : 1;
}

BlockHeader TakeHeader(Input& input) {
  BlockHeader header;
  const std::uint64_t what = input.Byte();
  header.kind = what % 16 == 0 ? BlockKind::kEndOfStream
                               : (what % 8 == 0 ? BlockKind::kHead : BlockKind::kData);
  header.session = TakeSession(input);
  header.position = input.Number();
  header.begins_record = (what & 64) != 0;
  if (header.kind == BlockKind::kData) {
    header.length = static_cast<std::uint32_t>(input.Byte() * 256 % (kPayloadBytes + 1));
    if (header.end() < header.position) header.length = 0;  // the parser refuses it
  }
  header.records_before = input.Byte();
  header.records = static_cast<std::uint32_t>(input.Byte());
  header.time_ns = static_cast<std::int64_t>(input.Byte());
  return header;
}

SharedBytes PayloadOf(const BlockHeader& header) {
  static const auto kText = [] {
    auto text = std::make_shared<std::vector<std::byte>>(kPayloadBytes, std::byte{'x'});
    for (std::size_t i = 99; i < text->size(); i += 100) (*text)[i] = std::byte{'\n'};
    return text;
  }();
  return {kText, ByteSpan(*kText).first(header.length)};
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Input input(data, size);
  CheckingActions actions;
  ModeOptions options;
  options.from.kind = static_cast<Beginning::Kind>(input.Byte() % 5);
  options.from.value = input.Number();
  options.follow = input.Byte() % 2 == 0;
  options.attach = options.from.value % 2 == 0;
  options.hold_bytes = kHoldBytes;
  ModeMachine machine(options, actions);
  TimePoint now{std::chrono::hours(1)};
  machine.OnConnect(now);
  while (!input.empty()) {
    const std::size_t asked_before = actions.sent.size();
    switch (input.Byte() % 15) {
      case 0: {
        control::Welcome welcome;
        welcome.stream = "demo";
        welcome.journal = "/journal";
        welcome.session = TakeSession(input);
        welcome.head = input.Number();
        welcome.tail = std::min(welcome.head, input.Number());
        welcome.records = static_cast<RecordFormat>(input.Byte() % 3);
        welcome.now_ns = static_cast<std::int64_t>(input.Number());
        machine.OnWelcome(welcome, now);
        break;
      }
      case 1:
      case 2: {
        control::Done done;
        done.request = actions.last_request - std::min(actions.last_request, input.Byte() % 4);
        done.outcome = static_cast<control::Done::Outcome>(input.Byte() % 8 % 3);
        done.session = TakeSession(input);
        done.head = input.Number();
        done.tail = std::min(done.head, input.Number());
        done.next = input.Number();
        machine.OnDone(done, now);
        break;
      }
      case 3:
        machine.OnError(std::array{"unknown-member", "no-records", "too-many-reads",
                                   "x"}[input.Byte() % 8 % 4],
                        "", now);
        break;
      case 4:
      case 5:
      case 6: {
        const BlockHeader header = TakeHeader(input);
        machine.OnLive(header, PayloadOf(header), now);
        break;
      }
      case 7:
      case 8: {
        const BlockHeader header = TakeHeader(input);
        machine.OnReplay(header, PayloadOf(header), now);
        break;
      }
      case 9:
        machine.OnDamaged(now);
        break;
      case 11: {
        BlockHeader header = TakeHeader(input);
        header.kind = BlockKind::kData;
        machine.OnLocal(header, PayloadOf(header), now);
        break;
      }
      case 12:
        machine.OnLocalMissing(now);
        break;
      case 13:
        actions.attachable = !actions.attachable;
        break;
      case 10:
        actions.queued -= std::min(actions.queued, input.Byte() * 1024);
        break;
      default:
        now += std::chrono::milliseconds(input.Byte() * 20);
        machine.OnTick(now);
        break;
    }
    // An event frees two reads at the most, and those are asked for again.
    Require(actions.sent.size() - asked_before <= 2);
    Require(actions.attached == (machine.state() == ModeMachine::State::kAttached));
    if (actions.remake) {
      actions.remake = actions.subscribed = false;
      machine.OnConnect(now);
    }
    machine.OnQueued(actions.queued, now);
  }
  if (!actions.over && machine.state() != ModeMachine::State::kEnded) {
    machine.GiveUp("the publisher vanished");
  }
  return 0;
}
