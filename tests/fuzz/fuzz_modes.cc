// The subscriber's mode machine, fed by a publisher that may lie about everything: whatever
// comes in whatever order, what is delivered follows on what was delivered or reported lost
// before, byte for byte, also where a session goes on under another name; and in the end every
// byte that the machine says it has passed was one or the other. The same of two or three
// machines that share a stream, whose publishers agree about nothing but what stands at a
// position.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "input.h"
#include "subscribe/modes.h"

namespace {

using namespace pipedup;

using fuzz::Input;
using fuzz::Require;

constexpr std::uint64_t kHoldBytes = 5 * 1024 * 1024;
constexpr std::size_t kPayloadBytes = 4096;

/// What stands at a position, whichever block brings it: lines of 100 bytes.
std::byte ByteAt(Position position) {
  return position % 100 == 99 ? std::byte{'\n'} : static_cast<std::byte>('a' + position % 26);
}

/// What has come of the stream, from all machines together.
class CheckedStream {
 public:
  void Deliver(const BlockHeader& header, Position from, SharedBytes bytes) {
    Require(begun && !ended);
    Require(header.session == session);
    Require(from == expected);
    Require(bytes.size() > 0 && from + bytes.size() == header.end());
    for (std::size_t i = 0; i < bytes.size(); ++i) Require(bytes.bytes[i] == ByteAt(from + i));
    expected = header.end();
    something = delivered = true;
    queued += bytes.size();
  }
  void ReportGap(const Gap& gap) {
    Require(begun && !ended);
    Require(gap.session == session);
    Require(gap.to > gap.from);
    something = true;
    if (gap.from > expected) {
      // What the publisher has lost, behind the place where its next session goes on.
      Require(!lost_behind);
      lost_behind = gap.from;
      return;
    }
    Require(gap.from == expected && !lost_behind);
    expected = gap.to;
  }
  void Begin(const control::Welcome& welcome, Position position) {
    if (begun && welcome.session == session) Require(!something);
    if (welcome.session != session) something = delivered = false;
    begun = true;
    ended = false;
    session = welcome.session;
    expected = position;
  }
  void SessionContinues(const control::Welcome& now, SessionId old, Position position) {
    // One that resumes has begun under the new name already. Else, where it was to begin turned
    // out to be inside a record, and that session is over.
    const bool resumes = now.session == session && !something;
    if (old != session && !resumes && !something) begun = false;
    Require(!begun || old == session || resumes);
    if (begun && something) {
      // Bytes that are delivered again are another session's.
      Require(position <= expected || ended);
      Require(!lost_behind || *lost_behind >= position);
    }
    if (now.session == old && ended) Require(position == expected);
    lost_behind.reset();
    // One that has no byte yet may still begin elsewhere, also after a gap of the old session.
    something = delivered;
    session = now.session;
    expected = position;
    ended = false;
  }
  void SessionChanged(const control::Welcome& now, SessionId old) {
    Require(now.session != old);
    begun = something = delivered = false;
  }
  void EndOfStream(Position position) {
    Require(begun && !ended);
    Require(position == expected);
    ended = true;
  }

  SessionId session = 0;
  Position expected = 0;
  std::optional<Position> lost_behind;  // in this event, and not said yet why
  std::uint64_t queued = 0;
  bool begun = false;
  bool something = false;  // delivered, or reported lost
  bool delivered = false;
  bool ended = false;
};

class CheckingActions final : public ModeActions {
 public:
  explicit CheckingActions(CheckedStream& to) : stream(to) {}
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
    Require(!over);
    stream.Deliver(header, from, bytes);
  }
  void ReportGap(const Gap& gap) override {
    Require(!over);
    stream.ReportGap(gap);
  }
  void Begin(const control::Welcome& welcome, Position position) override {
    Require(!over);
    stream.Begin(welcome, position);
  }
  void SessionContinues(const control::Welcome& now, SessionId old,
                        Position position) override {
    Require(!over);
    stream.SessionContinues(now, old, position);
  }
  void SessionChanged(const control::Welcome& now, SessionId old) override {
    Require(!over);
    stream.SessionChanged(now, old);
  }
  void ModeChanged(control::Mode) override {}
  void EndOfStream(Position position, std::uint32_t) override {
    Require(!over);
    stream.EndOfStream(position);
  }
  void Remake() override { remake = true; }
  void Fail(int, const std::string&) override {
    Require(!over);
    over = true;
  }

  CheckedStream& stream;
  std::vector<std::uint64_t> sent;
  std::uint64_t last_request = 0;
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
  const auto bytes = std::make_shared<std::vector<std::byte>>(header.length);
  for (std::size_t i = 0; i < bytes->size(); ++i) (*bytes)[i] = ByteAt(header.position + i);
  return {bytes, ByteSpan(*bytes)};
}

/// A machine, and what it wants done.
struct Reader {
  Reader(const ModeOptions& options, CheckedStream& stream)
      : actions(stream), machine(options, actions) {}
  CheckingActions actions;
  ModeMachine machine;
  std::size_t asked_before = 0;
};

/// What its owner does after each event.
void Follow(Reader& reader, const CheckedStream& stream, TimePoint now) {
  if (reader.actions.over) {
    if (reader.machine.state() != ModeMachine::State::kStopped) reader.machine.Retire();
    return;
  }
  Require(reader.actions.attached == (reader.machine.state() == ModeMachine::State::kAttached));
  if (reader.actions.remake) {
    reader.actions.remake = reader.actions.subscribed = false;
    reader.machine.OnConnect(now);
  }
  reader.machine.OnQueued(stream.queued, now);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Input input(data, size);
  CheckedStream stream;
  ModeOptions options;
  options.from.kind = static_cast<Beginning::Kind>(input.Byte() % 6);
  options.from.value = input.Number();
  const std::uint64_t how = input.Byte();
  options.follow = how % 2 == 0;
  if (how / 2 % 4 == 3) {
    options.resume = Resumption{1 + how / 8 % 2, input.Number()};
    stream.begun = true;
    stream.session = options.resume->session;
    stream.expected = options.resume->position;
  }
  options.attach = options.from.value % 2 == 0;
  options.hold_bytes = kHoldBytes;
  std::vector<std::unique_ptr<Reader>> readers;
  const std::size_t count = std::array<std::size_t, 4>{1, 1, 2, 3}[how / 16 % 4];
  while (readers.size() < count) {
    readers.push_back(std::make_unique<Reader>(options, stream));
    if (readers.size() > 1) readers.back()->machine.Share(readers.front()->machine.shared());
  }
  TimePoint now{std::chrono::hours(1)};
  for (auto& reader : readers) reader->machine.OnConnect(now);
  while (!input.empty()) {
    Reader& reader = *readers[count == 1 ? 0 : input.Byte() % count];
    CheckingActions& actions = reader.actions;
    ModeMachine& machine = reader.machine;
    for (auto& one : readers) one->asked_before = one->actions.sent.size();
    switch (input.Byte() % 15) {
      case 0: {
        control::Welcome welcome;
        welcome.stream = "demo";
        welcome.journal = "/journal";
        welcome.session = TakeSession(input);
        welcome.head = input.Number();
        welcome.tail = std::min(welcome.head, input.Number());
        const std::uint64_t more = input.Byte();
        welcome.records = static_cast<RecordFormat>(more % 3);
        welcome.started_ns = static_cast<std::int64_t>(more / 3 % 3);
        welcome.ended = more / 9 % 4 == 1;
        if (more / 36 % 2 == 1) welcome.past.push_back({3 - welcome.session, input.Number()});
        if (more / 72 % 2 == 1) welcome.past.push_back({7, input.Number()});
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
        stream.queued -= std::min(stream.queued, input.Byte() * 1024);
        break;
      default:
        now += std::chrono::milliseconds(input.Byte() * 20);
        machine.OnTick(now);
        break;
    }
    machine.shared()->Settle(now);
    // An event frees two reads at the most, and those are asked for again.
    for (auto& one : readers) Require(one->actions.sent.size() - one->asked_before <= 2);
    Require(!stream.lost_behind);
    const auto over = [](const auto& one) { return one->actions.over; };
    if (std::ranges::all_of(readers, over)) return 0;
    for (auto& one : readers) Follow(*one, stream, now);
  }
  const auto alive =
      std::ranges::find_if(readers, [](const auto& one) { return !one->actions.over; });
  if (alive == readers.end()) return 0;
  ModeMachine& first = (*alive)->machine;
  if (!first.shared()->progress.ended) {
    const Position known = first.shared()->progress.known_head;
    first.GiveUp("the publisher vanished");
    const bool welcomed =
        std::ranges::any_of(readers, [](const auto& one) { return one->machine.welcomed(); });
    if (first.began() && welcomed) Require(first.position() >= known);
  }
  first.Flush();
  if (first.began() && stream.begun) Require(first.position() == stream.expected);
  return 0;
}
