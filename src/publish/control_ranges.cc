// The control server's ranges: what was asked for, a little at a time.
#include <algorithm>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "publish/control_server.h"

namespace pipedup {
namespace {

constexpr std::size_t kTurnBytes = 1024 * 1024;  // for one member, before the next one's turn
constexpr std::size_t kCallBytes = 2 * 1024 * 1024;  // for all members, before the loop goes on
constexpr std::size_t kMemberOutstanding = 1024 * 1024;  // in a connection's queue
constexpr std::size_t kMemberCompressed = 256 * 1024;    // the same, of a compressed stream
constexpr auto kRetryUnreadable = std::chrono::milliseconds(100);
constexpr std::string_view kNoTopic = "";
constexpr auto kDamaged = "missing or damaged in the journal";

}  // namespace

void ControlServer::ScheduleServe(Duration delay) {
  if (serve_timer_ != 0) return;
  serve_timer_ = loop_.After(delay, [this] {
    serve_timer_ = 0;
    Serve();
  });
}

// Every member that waits for something, in turns that begin where the last ones ended.
void ControlServer::Serve() {
  if (control_ == nullptr) return;
  struct Waiting {
    ServedStream* stream;
    std::string id;  // members may leave while others are served
  };
  std::vector<Waiting> turns;
  for (ServedStream* stream : streams_) {
    for (const auto& [id, member] : stream->members.all()) {
      if (!member.reads.empty()) turns.push_back({stream, id});
    }
  }
  const auto first = std::ranges::find_if(turns, [this](const Waiting& turn) {
    return std::tie(turn.stream->name, turn.id) >=
           std::tie(next_turn_.first, next_turn_.second);
  });
  std::rotate(turns.begin(), first, turns.end());
  std::size_t sent = 0;
  for (const Waiting& turn : turns) {
    if (sent >= kCallBytes) {
      next_turn_ = {turn.stream->name, turn.id};
      ScheduleServe(Duration(0));
      return;
    }
    Member* member = turn.stream->members.FindById(turn.id);
    if (member == nullptr || ServeMember(*turn.stream, *member, &sent)) continue;
    if (member->Counts()) {
      // It may come back, and is waited for as a silent one is.
      turn.stream->members.ForgetRoute(*member);
    } else {
      RemoveMember(*turn.stream, turn.id, Leaving::kVanished);
    }
  }
}

// False: the member is unreachable.
bool ControlServer::ServeMember(ServedStream& stream, Member& member, std::size_t* sent) {
  const Journal& journal = stream.journal;
  std::size_t turn = 0;
  while (!member.reads.empty()) {
    PendingRead& pending = member.reads.front();
    if (IsOlder(stream, pending)) {
      const Turn outcome = ServeOlder(stream, member, sent);
      if (outcome == Turn::kGoOn) continue;
      return outcome != Turn::kUnreachable;
    }
    if (!pending.started && !Start(stream, member, pending)) continue;
    if (IsOlder(stream, pending)) continue;
    if (pending.left > 0 && pending.next < journal.tail()) {
      if (!FinishGone(stream, member, pending, TailOf(stream), "")) return true;
      continue;
    }
    if (pending.left == 0 || pending.next >= journal.head()) {
      if (stream.broadcaster.ended() && pending.next >= journal.head()) {
        (void)SendBlock(member, {stream.broadcaster.HeadHeader(), {}});
      }
      control::Done done;
      done.request = pending.read.request;
      done.next = pending.next;
      if (!Finish(stream, member, done)) return true;
      continue;
    }
    if (turn >= kTurnBytes) {
      ScheduleServe(Duration(0));
      return true;
    }
    if (IsFull(stream, member)) return true;
    const std::optional<Block> block =
        journal.Read(pending.next, static_cast<std::size_t>(pending.left));
    if (!block) {
      const Position goes_on = journal.NextSound(pending.next);
      if (goes_on == pending.next) {
        ScheduleServe(kRetryUnreadable);
        return true;
      }
      const std::string why = journal.WhyMissing(pending.next);
      if (!FinishGone(stream, member, pending, goes_on, why.empty() ? kDamaged : why)) {
        return true;
      }
      continue;
    }
    const SendStatus status = SendBlock(member, stream.packer.PackAnswer(*block));
    if (status == SendStatus::kUnreachable) return false;
    if (status == SendStatus::kFull) {
      ScheduleServe(kRetryFull);
      return true;
    }
    pending.next = block->header.end();
    pending.left -= block->header.length;
    turn += block->header.length;
    *sent += block->header.length;
    counters_.replayed_bytes += block->header.length;
  }
  return true;
}

/// Whether its connection holds enough: when some of that has left, Serve is called.
bool ControlServer::IsFull(const ServedStream& stream, Member& member) {
  const bool compressed = stream.packer.codec() != Codec::kNone;
  const std::size_t most = compressed ? kMemberCompressed : kMemberOutstanding;
  if (member.replay->bytes() < most) return false;
  member.replay->WakeOnRelease();
  // What was let go of between the look and the wish is not told: look again.
  return member.replay->bytes() >= most;
}

// Finds out where the range begins. False: it was answered, and is gone.
bool ControlServer::Start(ServedStream& stream, Member& member, PendingRead& pending) {
  const Journal& journal = stream.journal;
  const control::ReadFrom& from = pending.read.from;
  switch (from.kind) {
    case control::ReadFrom::Kind::kPosition:
      pending.next = std::min(from.value, journal.head());
      break;
    case control::ReadFrom::Kind::kLast:
      if (const auto at = journal.FindLast(from.value)) {
        pending.next = *at;
        break;
      }
      Reply(member.route,
            control::Error{"no-records", "the stream is raw", pending.read.request});
      member.reads.pop_front();
      return false;
    case control::ReadFrom::Kind::kSince:
      pending.next = journal.FindSince(
          static_cast<std::int64_t>(std::min<std::uint64_t>(from.value, INT64_MAX)));
      break;
  }
  Begin(stream, member, pending, pending.next);
  return true;
}

void ControlServer::Begin(ServedStream& stream, Member& member, PendingRead& pending,
                          Position next) {
  pending.next = next;
  pending.left = pending.read.max;
  pending.started = true;
  // Until it has said where it stands, it stands where it reads.
  if (!member.confirmed_any && pending.next < member.position) {
    member.position = pending.next;
    stream.events.OnStatus(member);
  }
}

SendStatus ControlServer::SendBlock(const Member& member, const Block& block) {
  const SendStatus status = control_->Send(AsBytes(member.route), Frame::kMore);
  if (status != SendStatus::kSent) return status;
  (void)control_->Send(AsBytes(EncodeFrame(kNoTopic, block.header)), Frame::kMore);
  return control_->SendShared(block.payload, member.replay, Frame::kLast);
}

bool ControlServer::FinishGone(const ServedStream& stream, Member& member,
                               const PendingRead& pending, Position goes_on,
                               const std::string& reason) {
  control::Done done;
  done.request = pending.read.request;
  done.outcome = control::Done::Outcome::kGone;
  done.next = pending.next;
  done.tail = goes_on;
  done.reason = reason;
  return Finish(stream, member, done);
}

// Answers the member's oldest read. False: its queue is full, and the answer is tried again; a
// member whose connection is gone is found out by what is sent to it next.
bool ControlServer::Finish(const ServedStream& stream, Member& member,
                           const control::Done& done) {
  if (Reply(member.route, Stamped(stream, done)) == SendStatus::kFull) {
    ScheduleServe(kRetryFull);
    return false;
  }
  member.reads.pop_front();
  return true;
}

control::Done ControlServer::Stamped(const ServedStream& stream, control::Done done) {
  done.session = stream.journal.session();
  const bool gone = done.outcome == control::Done::Outcome::kGone;
  done.tail = gone ? std::max(done.tail, TailOf(stream)) : TailOf(stream);
  done.head = stream.journal.head();
  done.ended = stream.broadcaster.ended();
  return done;
}

}  // namespace pipedup
