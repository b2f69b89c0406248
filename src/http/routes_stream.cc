// What is answered to those who ask for a stream: which one, where they begin, what they have
// missed.
#include <algorithm>
#include <utility>

#include "base/text.h"
#include "http/routes.h"

namespace pipedup::http {
namespace {

constexpr std::size_t kMostNamed = 20;

std::string Names(const std::vector<std::shared_ptr<Stream>>& streams) {
  std::string text;
  for (std::size_t i = 0; i < streams.size() && i < kMostNamed; ++i) {
    text += (i > 0 ? ", " : "") + streams[i]->name();
  }
  return text + (streams.size() > kMostNamed ? " and others" : "");
}

std::vector<std::pair<std::string, std::string>> Where(const Stream& stream,
                                                       Position position) {
  return {{"Pipedup-Stream", stream.name()},
          {"Pipedup-Session", Hex(stream.view().session())},
          {"Pipedup-Position", std::to_string(position)}};
}

/// Nothing if it is out of reach: see ViewReader.
std::optional<Position> Begin(Stream& stream, const From& from) {
  switch (from.kind) {
    case From::Kind::kNow:
      return stream.reader().FindLast(0);
    case From::Kind::kStart:
      return stream.reader().FindStart();
    case From::Kind::kLast:
      return stream.reader().FindLast(from.value);
    case From::Kind::kPosition:
      break;
  }
  return from.value;
}

/// Where the reader of an event goes on. One of a session that is not known here has seen
/// nothing of this one. It may be ahead of a relay that lags: then that is waited for.
Position Resume(const Stream& stream, const EventId& last) {
  const JournalView& view = stream.view();
  if (!last.session || *last.session == view.session()) return last.position;
  for (const PastSession& past : view.past_sessions()) {
    if (past.session == *last.session) return std::min(last.position, past.end);
  }
  return 0;
}

/// What the reader of an event of another session has not read of that. Nothing if this one
/// goes on with it, or it has all of it.
std::vector<Missed> MissedOf(const Hub& hub, const Stream& stream, const EventId& last) {
  const JournalView& view = stream.view();
  if (!last.session || *last.session == view.session()) return {};
  const auto is_it = [&last](const PastSession& past) { return past.session == *last.session; };
  if (std::ranges::any_of(view.past_sessions(), is_it)) return {};
  const auto past = hub.FindPast(stream.name(), *last.session);
  if (!past) {
    return {{*last.session, last.position, std::nullopt,
             "nothing is known here of that session: what came then is lost, or was nothing"}};
  }
  std::vector<Missed> missed;
  if (last.position < past->head) {
    missed.push_back(
        {*last.session, last.position, past->head, "the session is over and gone"});
  }
  if (!past->ended) {
    missed.push_back({*last.session, std::max(last.position, past->head), std::nullopt,
                      "the session vanished before its end: what came last may be missing"});
  }
  return missed;
}

/// The session `session` of the same stream, if it is not the newest but still here, and there
/// is anything from `position` on.
std::shared_ptr<Stream> FindOlder(const Hub& hub, const Stream& newest, SessionId session,
                                  Position position) {
  if (session == newest.view().session()) return nullptr;
  std::shared_ptr<Stream> older = hub.Find(newest.name(), session);
  const bool has_more =
      older && (position < older->view().head() || older->state() == Stream::State::kEnded);
  return has_more ? older : nullptr;
}

Answer OutOfReach() {
  Answer answer =
      PlainAnswer(503, "no descriptor or memory is left to read what is kept on disk");
  answer.headers.emplace_back("Retry-After", "1");
  return answer;
}

constexpr auto kNotFrom =
    "from: now, start, a position (a number of bytes), or last:N (records)";

}  // namespace

/// The one that is meant; null, with `*refusal`, if none is, or there is no room for a reader.
std::shared_ptr<Stream> Routes::Choose(const Request& request, Answer* refusal) const {
  const auto streams = hub_.streams();
  std::uint64_t readers = 0;
  for (const auto& stream : streams) readers += stream->counters().readers.load();
  if (readers >= options_.most_readers) {
    *refusal = PlainAnswer(503, "there are " + std::to_string(readers) +
                                    " readers already, the most that are let in");
    return nullptr;
  }
  const std::optional<std::string> name = request.parameter("stream");
  if (streams.empty()) {
    *refusal = PlainAnswer(503, "there is no stream yet");
    refusal->headers.emplace_back("Retry-After", "1");
    return nullptr;
  }
  if (!name && streams.size() == 1) return streams.front();
  if (!name) {
    *refusal = PlainAnswer(
        400, "stream: there are several, one of which has to be named: " + Names(streams));
    return nullptr;
  }
  const auto found = std::ranges::find_if(
      streams, [&](const auto& stream) { return stream->name() == *name; });
  if (found != streams.end()) return *found;
  *refusal = PlainAnswer(
      404, "stream: there is no '" + Escape(*name) + "' here, only " + Names(streams));
  return nullptr;
}

/// To whoever wants to read on in a session that is not here.
Answer Routes::OtherSession(const Stream& stream, SessionId session, const From& from) const {
  Answer answer = PlainAnswer(409, "session: it is " + Hex(stream.view().session()) + " now");
  if (from.kind != From::Kind::kPosition) return answer;
  const auto past = hub_.FindPast(stream.name(), session);
  if (!past || from.value >= past->head) return answer;
  const std::string gap = std::to_string(from.value) + "-" + std::to_string(past->head);
  answer.text = "session: it is " + Hex(stream.view().session()) + " now, and bytes " + gap +
                " of that one are gone\n";
  answer.headers.emplace_back("Pipedup-Gap", gap);
  return answer;
}

Answer Routes::Bytes(const Request& request) {
  Answer answer;
  std::shared_ptr<Stream> stream = Choose(request, &answer);
  if (!stream) return answer;
  const std::optional<From> from = ParseFrom(request.parameter("from").value_or("now"));
  if (!from) return PlainAnswer(400, kNotFrom);
  if (const auto text = request.parameter("session")) {
    const std::optional<SessionId> session = ParseSession(*text);
    if (!session) return PlainAnswer(400, "session: 16 hex digits");
    if (const auto older = FindOlder(hub_, *stream, *session, from->value)) {
      stream = older;
    } else if (*session != stream->view().session()) {
      return OtherSession(*stream, *session, *from);
    }
  }
  const std::optional<Position> where = Begin(*stream, *from);
  if (!where) return OutOfReach();
  const Position begin = *where;
  if (begin > stream->view().head()) {
    return PlainAnswer(416, "from: nothing has been published beyond " +
                                std::to_string(stream->view().head()));
  }
  const ViewReader::Found found = stream->reader().Read(begin, 1);
  if (found.out_of_reach) return OutOfReach();
  if (found.gap_to) {
    stream->counters().gone.fetch_add(1);
    const std::string gap = std::to_string(begin) + "-" + std::to_string(*found.gap_to);
    answer = PlainAnswer(410, "from: bytes " + gap + " are no longer kept; from=" +
                                  std::to_string(*found.gap_to) + " goes on behind them");
    answer.headers = Where(*stream, *found.gap_to);
    answer.headers.emplace_back("Pipedup-Gap", gap);
    return answer;
  }
  answer.type = "application/octet-stream";
  answer.headers = Where(*stream, begin);
  answer.body = std::make_unique<BytesBody>(stream, begin);
  return answer;
}

Answer Routes::Events(const Request& request) {
  Answer answer;
  std::shared_ptr<Stream> stream = Choose(request, &answer);
  if (!stream) return answer;
  Position begin = 0;
  std::vector<Missed> missed;
  const std::optional<std::string> last = request.header("Last-Event-ID");
  if (last && !last->empty()) {
    const std::optional<EventId> id = ParseEventId(*last);
    if (!id) return PlainAnswer(400, "Last-Event-ID: not the id of an event of this server");
    if (id->session) {
      const auto older = FindOlder(hub_, *stream, *id->session, id->position);
      if (older) stream = older;
    }
    begin = Resume(*stream, *id);
    missed = MissedOf(hub_, *stream, *id);
    if (stream->state() == Stream::State::kEnded && id->session == stream->view().session() &&
        begin == stream->view().head()) {
      return PlainAnswer(204, "");  // it has all, and EventSource is not to ask again
    }
  } else {
    const std::optional<From> from = ParseFrom(request.parameter("from").value_or("now"));
    if (!from) return PlainAnswer(400, kNotFrom);
    const std::optional<Position> where = Begin(*stream, *from);
    if (!where) return OutOfReach();
    begin = std::min(*where, stream->view().head());
  }
  answer.type = "text/event-stream";
  answer.headers = Where(*stream, begin);
  answer.headers.emplace_back("X-Accel-Buffering", "no");
  answer.body = std::make_unique<EventsBody>(stream, begin, missed);
  return answer;
}

}  // namespace pipedup::http
