#include "journal/view.h"

#include <algorithm>
#include <utility>

namespace pipedup {
namespace {

/// Nothing if there is no block in it yet. `was`: the same segment as it was seen before.
std::optional<ViewedSegment> Look(const std::shared_ptr<AnySegment>& segment, bool is_open,
                                  const ViewedSegment* was) {
  ViewedSegment seen;
  seen.begin = segment->begin();
  if (const auto stored = std::dynamic_pointer_cast<const StoredSegment>(segment)) {
    seen.end = segment->end();
    seen.stored = stored->found();
    return seen;
  }
  if (segment->blocks() == 0) return std::nullopt;
  if (was != nullptr) seen = *was;
  seen.end = is_open ? ViewedSegment::kOpen : segment->end();
  if (seen.memory) return seen;
  seen.memory = std::static_pointer_cast<const Segment>(segment);
  const BlockHeader first = segment->block(0);
  seen.begins_record = first.begins_record;
  seen.records_before = first.records_before;
  return seen;
}

}  // namespace

JournalView::JournalView(const Journal& journal)
    : session_(journal.session()),
      format_(journal.records_format()),
      past_(journal.past_sessions()),
      head_(journal.head()),
      segments_(std::make_shared<const Segments>()) {
  Refresh(journal);
}

std::shared_ptr<JournalView> JournalView::Of(Journal& journal, std::function<void()> on_more) {
  const std::shared_ptr<JournalView> view(new JournalView(journal));
  journal.OnBlock([view, &journal, on_more = std::move(on_more)](const Block&) {
    view->Refresh(journal);
    on_more();
  });
  return view;
}

Position JournalView::tail() const {
  const std::shared_ptr<const Segments> all = segments();
  return all->empty() ? head() : std::min(all->front().begin, head());
}

std::shared_ptr<const JournalView::Segments> JournalView::segments() const {
  const std::lock_guard lock(mutex_);
  return segments_;
}

void JournalView::Show(std::shared_ptr<const Segments> segments) {
  {
    const std::lock_guard lock(mutex_);
    segments_.swap(segments);
  }
  // What was shown before goes here, outside the lock: it may be the last to hold a segment.
}

// The head is shown last: up to there, all is in the segments that are shown, or nowhere.
void JournalView::Refresh(const Journal& journal) {
  if (closed()) return;
  const auto& there = journal.segments();
  const Position first = there.empty() ? ViewedSegment::kOpen : there.front()->begin();
  const Position last = there.empty() ? ViewedSegment::kOpen : there.back()->begin();
  // What was skipped is behind the last segment, which then ends where it does.
  const bool skipped = !there.empty() && there.back()->end() < journal.head();
  if (first != first_ || last != last_ || skipped != skipped_) {
    Rebuild(there, !skipped);
    first_ = first;
    skipped_ = skipped;
  }
  head_.store(journal.head());
}

void JournalView::Rebuild(const std::deque<std::shared_ptr<AnySegment>>& there,
                          bool last_is_open) {
  auto shown = std::make_shared<Segments>();
  shown->reserve(there.size());
  const std::shared_ptr<const Segments> before = segments();
  auto was = before->begin();
  last_ = ViewedSegment::kOpen;
  for (const std::shared_ptr<AnySegment>& segment : there) {
    while (was != before->end() && was->begin < segment->begin()) ++was;
    const bool known = was != before->end() && was->begin == segment->begin();
    std::optional<ViewedSegment> seen =
        Look(segment, last_is_open && segment == there.back(), known ? &*was : nullptr);
    if (!seen) continue;  // and look again with the next block
    last_ = seen->begin;
    shown->push_back(std::move(*seen));
  }
  Show(std::move(shown));
}

void JournalView::Close() {
  closed_.store(true);
  Show(std::make_shared<const Segments>());
}

}  // namespace pipedup
