// The control server's ranges that are older than the journal: they are asked for, a little at
// a time, and passed on.
#include <algorithm>
#include <string>
#include <utility>

#include "publish/control_server.h"

namespace pipedup {
namespace {

constexpr std::uint64_t kAskBytes = 1024 * 1024;  // held for a member that does not take them

}  // namespace

Position ControlServer::TailOf(const ServedStream& stream) {
  const Position tail = stream.journal.tail();
  return stream.older == nullptr ? tail : std::min(tail, stream.older->older_tail());
}

/// Whether what the member asks for next is older than the journal, and somebody else may have
/// it.
bool ControlServer::IsOlder(const ServedStream& stream, const PendingRead& pending) {
  if (pending.ticket != 0 || !pending.older.empty() || pending.older_end) return true;
  const Position tail = stream.journal.tail();
  if (TailOf(stream) == tail) return false;
  if (pending.started) {
    return pending.left > 0 && pending.next < tail && pending.next >= TailOf(stream);
  }
  const control::ReadFrom& from = pending.read.from;
  switch (from.kind) {
    case control::ReadFrom::Kind::kPosition:
      return false;  // Start says where, and whether that is older
    case control::ReadFrom::Kind::kLast:
      return from.value > 0 && stream.journal.FindLast(from.value) == tail;
    case control::ReadFrom::Kind::kSince:
      return stream.journal.FindSince(static_cast<std::int64_t>(
                 std::min<std::uint64_t>(from.value, INT64_MAX))) == tail;
  }
  return false;
}

/// kGoOn: look again at what the member asks for next.
ControlServer::Turn ControlServer::ServeOlder(ServedStream& stream, Member& member,
                                              std::size_t* sent) {
  PendingRead& pending = member.reads.front();
  while (!pending.older.empty()) {
    if (IsFull(stream, member)) return Turn::kOver;
    const Block& block = pending.older.front();
    if (!pending.started) Begin(stream, member, pending, block.header.position);
    if (block.header.position <= pending.next && block.header.end() > pending.next) {
      const SendStatus status = SendBlock(member, stream.packer.PackAnswer(block));
      if (status == SendStatus::kUnreachable) return Turn::kUnreachable;
      if (status == SendStatus::kFull) {
        ScheduleServe(kRetryFull);
        return Turn::kOver;
      }
      const std::uint64_t more = block.header.end() - pending.next;
      pending.next = block.header.end();
      pending.left -= std::min(pending.left, more);
      *sent += block.header.length;
      counters_.replayed_bytes += block.header.length;
    }
    pending.older.pop_front();
  }
  if (pending.ticket != 0) return Turn::kOver;  // there is more to come
  if (pending.older_end) return FinishOlder(stream, member, pending);
  return AskOlder(stream, member, pending);
}

ControlServer::Turn ControlServer::AskOlder(ServedStream& stream, const Member& member,
                                            PendingRead& pending) {
  const control::ReadFrom from =
      pending.started ? control::ReadFrom{control::ReadFrom::Kind::kPosition, pending.next}
                      : pending.read.from;
  const std::uint64_t left = pending.started ? pending.left : pending.read.max;
  if (!stream.older->AskOlder(++last_ticket_, from, std::min(left, kAskBytes))) {
    return Turn::kOver;  // OnOlderDone of others serves it
  }
  pending.ticket = last_ticket_;
  next_turn_ = {stream.name, member.id + '\0'};  // others ask before it does so again
  older_[last_ticket_] = member.id;
  return Turn::kOver;
}

/// Whoever was asked has said what there is, or has not answered.
ControlServer::Turn ControlServer::FinishOlder(ServedStream& stream, Member& member,
                                               PendingRead& pending) {
  const OlderEnd end = *std::exchange(pending.older_end, std::nullopt);
  const Position tail = stream.journal.tail();
  if (!end.done) {
    if (TailOf(stream) == tail) return Turn::kGoOn;  // nobody has it any more
    if (!pending.started) Begin(stream, member, pending, tail);
    const bool finished =
        FinishGone(stream, member, pending, std::max(pending.next, tail),
                   "it is not kept here any more, and who may have it is not heard");
    return finished ? Turn::kGoOn : Turn::kOver;
  }
  const control::Done& done = *end.done;
  if (!pending.started) {
    Begin(stream, member, pending, std::min(done.next, stream.journal.head()));
  }
  const bool gone = done.outcome == control::Done::Outcome::kGone;
  if (!gone && end.any) return Turn::kGoOn;
  if (!gone && pending.next >= tail) return Turn::kGoOn;
  const Position goes_on = gone ? std::min(done.tail, tail) : tail;
  if (goes_on <= pending.next) return Turn::kGoOn;
  return FinishGone(stream, member, pending, goes_on, done.reason) ? Turn::kGoOn : Turn::kOver;
}

PendingRead* ControlServer::FindOlder(ServedStream& stream, std::uint64_t ticket) {
  const auto found = older_.find(ticket);
  if (found == older_.end()) return nullptr;
  Member* const member = stream.members.FindById(found->second);
  if (member == nullptr || member->reads.empty()) return nullptr;
  PendingRead& pending = member->reads.front();
  return pending.ticket == ticket ? &pending : nullptr;
}

void ControlServer::OnOlderBlock(ServedStream& stream, std::uint64_t ticket, Block block) {
  PendingRead* const pending = FindOlder(stream, ticket);
  if (pending == nullptr) return;  // it has left, or asks for something else
  pending->any = true;
  pending->older.push_back(std::move(block));
  ScheduleServe(Duration(0));
}

void ControlServer::OnOlderDone(ServedStream& stream, std::uint64_t ticket,
                                const control::Done* done) {
  if (PendingRead* const pending = FindOlder(stream, ticket)) {
    pending->ticket = 0;
    pending->older_end = OlderEnd{done == nullptr ? std::nullopt : std::optional(*done),
                                  std::exchange(pending->any, false)};
  }
  older_.erase(ticket);
  ScheduleServe(Duration(0));
}

}  // namespace pipedup
