#include "http/hub.h"

#include <algorithm>
#include <utility>

namespace pipedup::http {
namespace {

constexpr std::size_t kMostRetired = 100;  // sessions that are remembered

PastStream PastOf(const Stream& stream) {
  return {stream.view().head(), stream.state() == Stream::State::kEnded};
}

}  // namespace

std::optional<std::uint32_t> Stream::status() const {
  const std::uint32_t status = status_.load();
  return status == kUnknownExitStatus ? std::nullopt : std::optional(status);
}

std::shared_ptr<Stream> Hub::Add(const std::string& name, Journal& journal) {
  const std::shared_ptr<JournalView> view = JournalView::Of(journal, [this] { bell_.Ring(); });
  const std::lock_guard lock(mutex_);
  std::shared_ptr<ReaderCounters>& counters = counters_[name];
  if (!counters) counters = std::make_shared<ReaderCounters>();
  auto stream = std::make_shared<Stream>(name, view, counters);
  const auto at =
      std::ranges::find_if(streams_, [&](const auto& other) { return other->name() >= name; });
  streams_.insert(at, stream);
  return stream;
}

void Hub::End(Stream& stream, std::uint32_t status) {
  stream.status_.store(status);
  stream.state_.store(Stream::State::kEnded);
  bell_.Ring();
}

void Hub::Leave(Stream& stream) {
  if (stream.state() == Stream::State::kOpen) stream.state_.store(Stream::State::kLeft);
  bell_.Ring();
}

Readers::Unread Hub::Remove(const std::shared_ptr<Stream>& stream) {
  {
    const std::lock_guard lock(mutex_);
    std::erase(streams_, stream);
    if (stream->retired()) {
      retired_.push_back({stream->name(), stream->view().session(), PastOf(*stream)});
      if (retired_.size() > kMostRetired) retired_.pop_front();
    }
  }
  Leave(*stream);
  const Readers::Unread unread = stream->readers().CutOff(stream->view().head());
  stream->counters().cut_off.fetch_add(unread.readers);
  stream->counters().cut_off_bytes.fetch_add(unread.bytes);
  stream->view_->Close();
  bell_.Ring();
  return unread;
}

void Hub::SetNotReady(const std::string& why) {
  const std::lock_guard lock(mutex_);
  not_ready_ = why;
}

void Hub::SetSnapshot(std::shared_ptr<const Snapshot> snapshot) {
  wish_.Clear();
  {
    const std::lock_guard lock(mutex_);
    std::swap(made_.snapshot, snapshot);
    made_.at = Clock::now();
  }
  bell_.Ring();
}

std::vector<std::shared_ptr<Stream>> Hub::streams() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::shared_ptr<Stream>> newest;
  for (const auto& stream : streams_) {
    if (newest.empty() || newest.back()->name() != stream->name()) newest.push_back(stream);
  }
  return newest;
}

std::shared_ptr<Stream> Hub::Find(const std::string& name, SessionId session) const {
  const std::lock_guard lock(mutex_);
  const auto found = std::ranges::find_if(streams_, [&](const auto& stream) {
    return stream->name() == name && stream->view().session() == session;
  });
  return found == streams_.end() ? nullptr : *found;
}

std::optional<PastStream> Hub::FindPast(const std::string& name, SessionId session) const {
  if (const auto stream = Find(name, session)) return PastOf(*stream);
  const std::lock_guard lock(mutex_);
  for (auto each = retired_.rbegin(); each != retired_.rend(); ++each) {
    if (each->name == name && each->session == session) return each->past;
  }
  return std::nullopt;
}

Duration Hub::SinceBeat() const {
  return Clock::now() - TimePoint(Clock::duration(beat_.load()));
}

std::string Hub::not_ready() const {
  const std::lock_guard lock(mutex_);
  return not_ready_;
}

Hub::Made Hub::snapshot() const {
  const std::lock_guard lock(mutex_);
  return made_;
}

}  // namespace pipedup::http
