// The ranges that members ask for: served a little at a time, turn by turn.
#include <algorithm>
#include <cstdint>
#include <optional>

#include "publish/control_server.h"

namespace pipedup {
namespace {

constexpr std::size_t kTurnBytes = 1024 * 1024;  // for one member, before the next one's turn
constexpr std::size_t kCallBytes = 2 * 1024 * 1024;  // for all members, before the loop goes on
constexpr std::size_t kMemberOutstanding = 1024 * 1024;  // in a connection's queue
constexpr auto kRetryUnreadable = std::chrono::milliseconds(100);
constexpr auto kRetryFull = std::chrono::milliseconds(5);
constexpr std::string_view kNoTopic = "";

}  // namespace

void ControlServer::ScheduleServe(Duration delay) {
  if (serve_timer_ != 0) return;
  serve_timer_ = loop_.After(delay, [this] {
    serve_timer_ = 0;
    Serve();
  });
}

void ControlServer::Serve() {
  if (control_ == nullptr) return;
  std::vector<std::string> ids;  // members may leave while they are served
  for (auto it = members_.all().lower_bound(next_turn_); it != members_.all().end(); ++it) {
    if (!it->second.reads.empty()) ids.push_back(it->first);
  }
  for (auto it = members_.all().begin(); it != members_.all().lower_bound(next_turn_); ++it) {
    if (!it->second.reads.empty()) ids.push_back(it->first);
  }
  std::size_t sent = 0;
  for (const std::string& id : ids) {
    if (sent >= kCallBytes) {
      next_turn_ = id;
      ScheduleServe(Duration(0));
      return;
    }
    Member* member = members_.FindById(id);
    if (member == nullptr || ServeMember(*member, &sent)) continue;
    if (member->Counts()) {
      members_.ForgetRoute(*member);  // it may come back, and is waited for as a silent one is
    } else {
      RemoveMember(id, Leaving::kVanished);
    }
  }
}

// False: the member is unreachable.
bool ControlServer::ServeMember(Member& member, std::size_t* sent) {
  std::size_t turn = 0;
  while (!member.reads.empty()) {
    PendingRead& pending = member.reads.front();
    if (!pending.started && !Start(member, pending)) continue;
    if (pending.next < journal_.tail()) {
      if (!FinishGone(member, pending, journal_.tail(), "")) return true;
      continue;
    }
    if (pending.left == 0 || pending.next >= journal_.head()) {
      if (broadcaster_.ended() && pending.next >= journal_.head()) {
        (void)SendBlock(member, {broadcaster_.HeadHeader(), {}});
      }
      control::Done done;
      done.request = pending.read.request;
      done.next = pending.next;
      if (!Finish(member, done)) return true;
      continue;
    }
    if (turn >= kTurnBytes) {
      ScheduleServe(Duration(0));
      return true;
    }
    if (member.replay->bytes() >= kMemberOutstanding) {
      member.replay->WakeOnRelease();
      // What was let go of between the look and the wish is not told: look again.
      if (member.replay->bytes() >= kMemberOutstanding) return true;
    }
    const std::optional<Block> block =
        journal_.Read(pending.next, static_cast<std::size_t>(pending.left));
    if (!block) {
      const Position goes_on = journal_.NextSound(pending.next);
      if (goes_on == pending.next) {
        ScheduleServe(kRetryUnreadable);
        return true;
      }
      if (!FinishGone(member, pending, goes_on, "missing or damaged in the journal"))
        return true;
      continue;
    }
    const SendStatus status = SendBlock(member, *block);
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

// Finds out where the range begins. False: it was answered, and is gone.
bool ControlServer::Start(Member& member, PendingRead& pending) {
  const control::ReadFrom& from = pending.read.from;
  switch (from.kind) {
    case control::ReadFrom::Kind::kPosition:
      pending.next = std::min(from.value, journal_.head());
      break;
    case control::ReadFrom::Kind::kLast:
      if (const auto at = journal_.FindLast(from.value)) {
        pending.next = *at;
        break;
      }
      Reply(member.route, control::Error{"no-records", "the stream is raw"});
      member.reads.pop_front();
      return false;
    case control::ReadFrom::Kind::kSince:
      pending.next = journal_.FindSince(
          static_cast<std::int64_t>(std::min<std::uint64_t>(from.value, INT64_MAX)));
      break;
  }
  pending.left = pending.read.max;
  pending.started = true;
  // Until it has said where it stands, it stands where it reads.
  if (!member.confirmed_any && pending.next < member.position) {
    member.position = pending.next;
    events_.OnStatus(member);
  }
  return true;
}

SendStatus ControlServer::SendBlock(const Member& member, const Block& block) {
  const SendStatus status = control_->Send(AsBytes(member.route), Frame::kMore);
  if (status != SendStatus::kSent) return status;
  (void)control_->Send(AsBytes(EncodeFrame(kNoTopic, block.header)), Frame::kMore);
  return control_->SendShared(block.payload, member.replay, Frame::kLast);
}

bool ControlServer::FinishGone(Member& member, const PendingRead& pending, Position goes_on,
                               const char* reason) {
  control::Done done;
  done.request = pending.read.request;
  done.outcome = control::Done::Outcome::kGone;
  done.next = pending.next;
  done.tail = goes_on;
  done.reason = reason;
  return Finish(member, done);
}

// Answers the member's oldest read. False: its queue is full, and the answer is tried again; a
// member whose connection is gone is found out by what is sent to it next.
bool ControlServer::Finish(Member& member, const control::Done& done) {
  if (Reply(member.route, Stamped(done)) == SendStatus::kFull) {
    ScheduleServe(kRetryFull);
    return false;
  }
  member.reads.pop_front();
  return true;
}

control::Done ControlServer::Stamped(control::Done done) const {
  done.session = journal_.session();
  done.tail = std::max(done.tail, journal_.tail());
  done.head = journal_.head();
  done.ended = broadcaster_.ended();
  return done;
}

}  // namespace pipedup
