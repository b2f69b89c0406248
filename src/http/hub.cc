#include "http/hub.h"

#include <algorithm>
#include <utility>

namespace pipedup::http {

std::optional<std::uint32_t> Stream::status() const {
  const std::uint32_t status = status_.load();
  return status == kUnknownExitStatus ? std::nullopt : std::optional(status);
}

std::shared_ptr<Stream> Hub::Add(const std::string& name, Journal& journal) {
  const std::shared_ptr<JournalView> view = JournalView::Of(journal, [this] { bell_.Ring(); });
  auto stream = std::make_shared<Stream>(name, view);
  const std::lock_guard lock(mutex_);
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

void Hub::Remove(const std::shared_ptr<Stream>& stream) {
  {
    const std::lock_guard lock(mutex_);
    std::erase(streams_, stream);
  }
  if (stream->state() == Stream::State::kOpen) stream->state_.store(Stream::State::kLeft);
  stream->view_->Close();
  bell_.Ring();
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
