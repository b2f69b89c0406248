// A mode machine whose calls are written down, and a stream of 16-byte lines to feed it with.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "subscribe/modes.h"

namespace pipedup {

using Calls = std::vector<std::string>;

/// Every call as a line of text. Reads are kept as they are, too.
class RecordingActions final : public ModeActions {
 public:
  void SendHello() override { calls.push_back("hello"); }
  void SendRead(const control::Read& read) override {
    reads.push_back(read);
    std::string from = std::to_string(read.from.value);
    if (read.from.kind == control::ReadFrom::Kind::kLast) from = "last " + from;
    if (read.from.kind == control::ReadFrom::Kind::kSince) from = "since " + from;
    calls.push_back(read.max == 0 ? "ping"
                                  : "read " + from + " max " + std::to_string(read.max));
  }
  void Subscribe(const std::string& stream) override { calls.push_back("subscribe " + stream); }
  void Unsubscribe(const std::string& stream) override {
    calls.push_back("unsubscribe " + stream);
  }
  bool Attach(const control::Welcome& session, Position position) override {
    calls.push_back("attach " + session.journal + " at " + std::to_string(position));
    return attachable;
  }
  void Detach() override { calls.push_back("detach"); }
  void Deliver(const BlockHeader& header, Position from, SharedBytes bytes) override {
    calls.push_back("deliver " + std::to_string(from) + "-" +
                    std::to_string(from + bytes.size()));
    EXPECT_EQ(from + bytes.size(), header.end()) << "the header is of the block that they end";
    delivered.append(AsText(bytes.bytes));
  }
  void ReportGap(const Gap& gap) override {
    gaps.push_back(gap);
    calls.push_back("gap " + std::to_string(gap.from) + "-" + std::to_string(gap.to));
  }
  void Begin(const control::Welcome&, Position position) override {
    calls.push_back("begin " + std::to_string(position));
  }
  void SessionContinues(const control::Welcome& now, SessionId old,
                        Position position) override {
    calls.push_back("continues " + std::to_string(old) + " -> " + std::to_string(now.session) +
                    " at " + std::to_string(position));
  }
  void SessionChanged(const control::Welcome& now, SessionId old) override {
    calls.push_back("session " + std::to_string(old) + " -> " + std::to_string(now.session));
  }
  void StandsApart(const control::Welcome& session) override {
    calls.push_back("apart " + std::to_string(session.session));
  }
  void ModeChanged(control::Mode mode) override {
    calls.push_back("mode " + std::string(control::ToText(mode)));
  }
  void EndOfStream(Position position, std::uint32_t exit_status) override {
    calls.push_back("end " + std::to_string(position) + " status " +
                    std::to_string(exit_status));
  }
  void Remake() override { calls.push_back("remake"); }
  void Fail(int exit_status, const std::string& text) override {
    fail_text = text;
    calls.push_back("fail " + std::to_string(exit_status));
  }

  Calls Take() { return std::exchange(calls, {}); }
  /// The first, or the last, of the calls that Take would return; "" if there is none.
  std::string TakeFirst() {
    const Calls taken = Take();
    return taken.empty() ? "" : taken.front();
  }
  std::string TakeLast() {
    const Calls taken = Take();
    return taken.empty() ? "" : taken.back();
  }
  bool Called(const std::string& call) const {
    return std::find(calls.begin(), calls.end(), call) != calls.end();
  }

  Calls calls;
  std::vector<control::Read> reads;
  std::vector<Gap> gaps;
  std::string delivered;
  std::string fail_text;
  bool attachable = true;
};

/// The stream: lines of 16 bytes, so that position / 16 is a count of records.
class MachineTest : public testing::Test {
 protected:
  using State = ModeMachine::State;
  static constexpr SessionId kSession = 7;
  static constexpr std::size_t kLine = 16;
  static constexpr std::uint64_t kMiB = 1024 * 1024;
  static constexpr std::uint64_t kWindow = control::kMaxReadBytes;

  static char ByteAt(Position at) {
    return at % kLine == kLine - 1 ? '\n' : static_cast<char>('a' + (at / kLine) % 26);
  }

  static std::string Text(Position from, Position to) {
    std::string text;
    text.reserve(to - from);
    for (Position at = from; at < to; ++at) text += ByteAt(at);
    return text;
  }

  static SharedBytes Payload(Position from, Position to) {
    auto text = std::make_shared<std::string>(Text(from, to));
    const ByteSpan bytes = AsBytes(*text);
    return {std::move(text), bytes};
  }

  static std::int64_t TimeOf(Position from) {
    return 1'000'000 + static_cast<std::int64_t>(from);
  }

  static BlockHeader Data(Position from, Position to, SessionId session = kSession) {
    BlockHeader header;
    header.session = session;
    header.position = from;
    header.length = static_cast<std::uint32_t>(to - from);
    header.begins_record = from % kLine == 0;
    header.ends_record = to % kLine == 0;
    header.records_before = from / kLine;
    header.records = static_cast<std::uint32_t>(to / kLine - from / kLine);
    header.time_ns = TimeOf(from);
    return header;
  }

  static BlockHeader Head(Position at, BlockKind kind = BlockKind::kHead,
                          SessionId session = kSession) {
    BlockHeader header = Data(at, at, session);
    header.kind = kind;
    header.begins_record = header.ends_record = false;
    header.exit_status = kind == BlockKind::kEndOfStream ? 3 : 0;
    return header;
  }

  static control::Welcome WelcomeTo(Position tail, Position head, SessionId session = kSession,
                                    RecordFormat records = RecordFormat::kLines) {
    control::Welcome welcome;
    welcome.stream = "demo";
    welcome.session = session;
    welcome.tail = tail;
    welcome.head = head;
    welcome.records = records;
    welcome.now_ns = 5'000'000'000;
    return welcome;
  }

  // ---- events ----

  ModeMachine& From(Beginning::Kind kind = Beginning::Kind::kNow, std::uint64_t value = 0) {
    ModeOptions options;
    options.from = {kind, value};
    return Make(options);
  }

  ModeMachine& Make(const ModeOptions& options) {
    options_ = options;
    machine_.emplace(options, actions_);
    machine_->OnConnect(now_);
    return *machine_;
  }

  void Welcomed(Position tail, Position head) {
    machine_->OnWelcome(WelcomeTo(tail, head), now_);
  }

  void Live(Position from, Position to) {
    machine_->OnLive(Data(from, to), Payload(from, to), now_);
  }
  void LiveHead(Position at) { machine_->OnLive(Head(at), {}, now_); }
  void LiveEnd(Position at) { machine_->OnLive(Head(at, BlockKind::kEndOfStream), {}, now_); }
  void Replay(Position from, Position to) {
    machine_->OnReplay(Data(from, to), Payload(from, to), now_);
  }
  void ReplayEnd(Position at) {
    machine_->OnReplay(Head(at, BlockKind::kEndOfStream), {}, now_);
  }

  /// Answers the oldest read that has no answer yet; pings do not count.
  void Done(Position next, Position tail, Position head,
            control::Done::Outcome outcome = control::Done::Outcome::kOk) {
    while (answered_ < actions_.reads.size() && actions_.reads[answered_].max == 0) ++answered_;
    ASSERT_LT(answered_, actions_.reads.size()) << "nothing was asked";
    control::Done done;
    done.request = actions_.reads[answered_++].request;
    done.outcome = outcome;
    done.session = kSession;
    done.next = next;
    done.tail = tail;
    done.head = head;
    machine_->OnDone(done, now_);
  }
  void Gone(Position asked, Position tail, Position head) {
    Done(asked, tail, head, control::Done::Outcome::kGone);
  }

  /// Lets `time` pass with a tick every 50 ms.
  void Pass(Duration time) {
    for (Duration passed{0}; passed < time; passed += std::chrono::milliseconds(50)) {
      now_ += std::chrono::milliseconds(50);
      machine_->OnTick(now_);
    }
  }

  /// A machine in LIVE at `head`, with nothing asked; the calls on the way are forgotten.
  ModeMachine& MakeLiveAt(Position head, ModeOptions options = {}) {
    Make(options);
    Welcomed(0, head);
    Done(head, 0, head);
    LiveHead(head);
    EXPECT_EQ(machine_->state(), State::kLive);
    actions_.Take();
    return *machine_;
  }

  /// A machine in CATCH-UP that begins at 0 and has asked for its first ranges.
  ModeMachine& MakeCatchUp(Position head, ModeOptions options = {}) {
    options.from = {Beginning::Kind::kStart, 0};
    Make(options);
    Welcomed(0, head);
    actions_.Take();
    return *machine_;
  }

  RecordingActions actions_;
  ModeOptions options_;
  std::optional<ModeMachine> machine_;
  TimePoint now_{std::chrono::hours(1)};
  std::size_t answered_ = 0;
};

}  // namespace pipedup
