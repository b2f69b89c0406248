#include "programs/sub_stream.h"

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "base/records.h"
#include "base/text.h"
#include "programs/sub_reports.h"
#include "wire/block_header.h"

namespace pipedup {
SubStream::SubStream(const SubscribeOptions& options, Reporter& reporter, EventLoop& loop,
                     SubCursor* cursor, SubStreamOwner& owner, std::size_t number)
    : options_(options),
      reporter_(reporter),
      loop_(loop),
      cursor_(cursor),
      owner_(owner),
      number_(number),
      resuming_(cursor != nullptr && cursor->resumption()),
      labeler_({options.prefix, options.timestamps}, RecordFormat::kLines) {
  if (resuming_) begin_ = cursor->resumption()->position;
}

// ---- of the stream ----

void SubStream::OnBegin(const control::Welcome& session, Position position) {
  first_ = resuming_;
  begin_ = position;
  format_ = session.records;
  name_ = session.stream;
  if (format_ == RecordFormat::kRaw && options_.count) {
    reporter_.Error("failed", "--count: stream '" + name_ + "' is raw, it has no records");
    owner_.OnRunFailed(kExitFailure);
    return;
  }
  labeler_.Restart(session.stream, session.records);
  resuming_ = false;
  session_ = session.session;
  owner_.OnStreamBegin(*this, format_);
  if (cursor_) cursor_->OnBegin(session, position);
  reporter_.Debug(
      "begin",
      "stream '" + session.stream + "', session " + Hex(session.session) + ", from position " +
          std::to_string(position),
      {{"stream", session.stream}, {"session", Hex(session.session)}, {"position", position}});
}

void SubStream::OnBytes(const BlockHeader& header, Position from, SharedBytes bytes) {
  owner_.OnStreamBytes(*this, header, from, std::move(bytes));
}

SharedBytes SubStream::Label(const BlockHeader& header, Position from,
                             const SharedBytes& bytes) {
  if (std::exchange(first_, false)) {
    // It goes on where it stopped, which may be in a record. The bytes are the last ones of
    // the block, so if there are any before them they are there to be looked at.
    const bool begins =
        from == header.position
            ? header.begins_record
            : format_ != RecordFormat::kRaw && *(bytes.bytes.data() - 1) == Delimiter(format_);
    if (!begins) labeler_.ContinueRecord();
  }
  return labeler_.Label(bytes.bytes, header.time_ns);
}

void SubStream::OnGap(const Gap& gap) {
  if (end_override_) return;  // behind the end that was asked for
  ReportGap(reporter_, name_, gap);
  if (!options_.strict) return;
  reporter_.Error("strict", "--strict: stopped at the first gap");
  end_override_ = gap.from;
  owner_.OnRunFailed(kExitLoss);
}

void SubStream::OnSessionChanged(const control::Welcome& now, SessionId old) {
  if (resuming_) {
    resuming_ = false;
    vanished_ = !cursor_->OnGone(now);
    return;
  }
  owner_.OnStreamCut(*this);
  const bool after_end = ended_;
  ended_ = false;
  const std::string text =
      "following session " + Hex(now.session) + " of stream '" + now.stream + "' after " +
      Hex(old) + (after_end ? ", which has ended" : ", which vanished before its end");
  const Fields fields = {{"stream", now.stream},
                         {"session", Hex(now.session)},
                         {"old_session", Hex(old)},
                         {"old_ended", after_end}};
  if (after_end) {
    reporter_.Info("session", text, fields);
  } else {
    vanished_ = true;
    reporter_.Warn("session", text + "; what it published last may be missing", fields);
  }
}

void SubStream::OnSessionContinues(const control::Welcome& now, SessionId old,
                                   Position position) {
  session_ = now.session;
  if (std::exchange(ended_, false) && old == now.session) {
    reporter_.Info("continues", "the stream goes on at position " + std::to_string(position),
                   {{"session", Hex(old)}, {"position", position}});
    return;
  }
  continued_ = {old, position};
  vanished_ = true;
  if (cursor_) cursor_->OnBegin(now, position);
  reporter_.Warn(
      "continues",
      "the publisher has lost what it published last: session " + Hex(old) + " goes on as " +
          Hex(now.session) + " at position " + std::to_string(position) +
          "; bytes that were published behind it, and not heard of here, are missing",
      {{"old_session", Hex(old)}, {"session", Hex(now.session)}, {"position", position}});
}

void SubStream::OnEndOfStream(Position position, std::uint32_t exit_status) {
  ended_ = true;
  const std::string status = exit_status == kUnknownExitStatus
                                 ? ""
                                 : ", producer's status " + std::to_string(exit_status);
  const std::string text = "end of stream at position " + std::to_string(position) + status;
  const Fields fields = {{"position", position}, {"status", std::uint64_t{exit_status}}};
  if (options_.follow) {
    reporter_.Info("end", text + "; waiting for the next session", fields);
    return;
  }
  reporter_.Debug("end", text, fields);
  Over(kExitOk);
}

void SubStream::OnFail(int exit_status, const std::string& text) {
  reporter_.Error(exit_status == kExitRefused ? "refused" : "failed", text);
  Over(exit_status);
}

void SubStream::Over(int exit_status) {
  if (over_status_) return;
  over_status_ = exit_status;
  owner_.OnStreamCut(*this);
  owner_.OnStreamOver();
}

// ---- of an endpoint ----

void SubStream::OnMode(const std::string& endpoint, control::Mode mode) {
  reporter_.Debug("mode", "mode: " + std::string(control::ToText(mode)) + At(endpoint));
}

void SubStream::OnLetGo(const std::string& endpoint, const std::string& reason) {
  reporter_.Warn("let-go", "the publisher" + At(endpoint) +
                               " no longer waits for this subscriber: " + reason);
}

void SubStream::OnDamaged(const std::string& endpoint, const std::string& what) {
  reporter_.Warn("damaged", "a block" + From(endpoint) + " arrived damaged (" + what +
                                ") and is fetched again");
}

void SubStream::OnNotAttached(const std::string& endpoint, const std::string& why) {
  reporter_.Debug("not-attached", "the network is used" + At(endpoint) + ": " + why);
}

void SubStream::OnNotReached(const std::string& endpoint, const std::string& why) {
  if (why == std::exchange(not_reached_, why)) return;
  reporter_.Info("not-reached", (endpoint.empty() ? "" : endpoint + ": ") + why);
}

void SubStream::OnSilence(const std::string& endpoint) {
  reporter_.Debug("silence", "nothing was heard" + From(endpoint) + ": connecting anew");
}

void SubStream::OnStandsApart(const std::string& endpoint, const control::Welcome& session) {
  ReportStandsApart(reporter_, endpoint, session, session_);
}

void SubStream::OnEndpointFailed(const std::string& endpoint, const std::string& text) {
  reporter_.Warn("endpoint",
                 "the publisher" + At(endpoint) + " is of no use, the others are read: " + text,
                 {{"endpoint", endpoint}});
}

// ---- time ----

void SubStream::Look(StreamReader& reader, TimePoint started, bool keys) {
  for (std::size_t i = 0; i < reader.endpoints(); ++i) LookAt(reader, i, started);
  const Duration silence = loop_.now() - reader.last_heard();
  if (options_.give_up.count() == 0 || silence <= options_.give_up || owner_.finishing() ||
      over()) {
    return;
  }
  reader.GiveUp("the publisher vanished");
  const bool named = options_.endpoints.size() > 1 && !name_.empty();
  reporter_.Error("unreachable", (named ? "stream '" + name_ + "': " : "") +
                                     GiveUpText(options_, reader.welcomed(), keys));
  Over(kExitUnreachable);
}

/// Says when an endpoint falls silent, and when it is back.
void SubStream::LookAt(const StreamReader& reader, std::size_t number, TimePoint started) {
  if (!reader.is_asked(number)) return;
  const TimePoint last = reader.last_heard(number);
  const std::string& endpoint = reader.endpoint(number);
  const auto said = std::ranges::find(waiting_, endpoint);
  if (loop_.now() - last < kSayWaitingAfter) {
    if (said == waiting_.end()) return;
    waiting_.erase(said);
    const std::string at = options_.endpoints.size() > 1 ? At(endpoint) : "";
    reporter_.Info("connected", "the publisher" + at + " answers");
  } else if (said == waiting_.end() && !owner_.finishing() && !ended_) {
    waiting_.push_back(endpoint);
    reporter_.Info("waiting", "waiting for a publisher at " + endpoint +
                                  (last > started ? ", which has fallen silent" : ""));
  }
}

// ---- how far it is written ----

Position SubStream::WrittenPosition(const StreamReader& reader,
                                    const std::optional<Output::Mark>& mark) const {
  const Progress& at = reader.progress();
  if (!at.begun) return reader.located() ? at.position : 0;
  if (!mark) return end_override_.value_or(at.position);
  if (mark->session == continued_.session && mark->session != at.session) {
    return std::min(mark->position, continued_.position);
  }
  return mark->session != at.session ? begin_ : std::max(mark->position, begin_);
}

void WrittenParts::Add(std::size_t stream, SessionId session, Position from, Position to) {
  if (!parts_.empty()) {
    Part& last = parts_.back();
    if (last.stream == stream && last.session == session && last.to == from) {
      last.to = to;
      return;
    }
  }
  parts_.push_back({stream, session, from, to});
}

void WrittenParts::Note(const Part& part, Position to) {
  if (written_.size() <= part.stream) written_.resize(part.stream + 1);
  written_[part.stream] = Output::Mark{part.session, to};
}

void WrittenParts::Advance(const Output::Mark& mark) {
  const auto reached = std::ranges::find_if(parts_, [&](const Part& part) {
    return part.session == mark.session && part.from < mark.position &&
           mark.position <= part.to;
  });
  if (reached == parts_.end()) return;
  while (parts_.begin() != reached) {
    Note(parts_.front(), parts_.front().to);
    parts_.pop_front();
  }
  Note(parts_.front(), mark.position);
}

void WrittenParts::AdvanceAll() {
  for (; !parts_.empty(); parts_.pop_front()) Note(parts_.front(), parts_.front().to);
}

std::optional<Output::Mark> WrittenParts::Of(std::size_t stream) const {
  return stream < written_.size() ? written_[stream] : std::nullopt;
}

}  // namespace pipedup
