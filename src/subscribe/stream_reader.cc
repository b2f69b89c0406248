#include "subscribe/stream_reader.h"

#include <algorithm>
#include <utility>

#include "base/error.h"

namespace pipedup {
namespace {

constexpr auto kSettleEvery = std::chrono::milliseconds(50);
constexpr auto kHeardLately = std::chrono::milliseconds(1500);

std::unique_ptr<AnyReceiver> MakeReceiverFor(Context& context, EventLoop& loop,
                                             const ReceiverOptions& options,
                                             ReceiverEvents& events) {
  if (options.make) return options.make(loop, options, events);
  return std::make_unique<Receiver>(context, loop, options, events);
}

}  // namespace

/// An endpoint, and what comes from there.
class StreamReader::Link final : private ReceiverEvents {
 public:
  Link(StreamReader& reader, Context& context, const ReceiverOptions& options, bool alone)
      : reader_(&reader),
        endpoint_(options.endpoint.data()),
        name_(alone ? "" : endpoint_),
        receiver_(MakeReceiverFor(context, reader.loop_, options, *this)) {}

  AnyReceiver& receiver() { return *receiver_; }
  const AnyReceiver& receiver() const { return *receiver_; }
  ModeMachine& modes() { return receiver_->modes(); }
  const ModeMachine& modes() const { return receiver_->modes(); }
  const std::string& endpoint() const { return endpoint_; }
  const std::string& name() const { return name_; }
  bool failed() const { return failed_; }
  void set_failed() { failed_ = true; }
  /// Whether it has said what it has, and so belongs where it is.
  bool placed() const { return placed_; }
  void set_placed() { placed_ = true; }
  void MoveTo(StreamReader& reader) { reader_ = &reader; }

 private:
  void OnBegin(const control::Welcome& session, Position position) override {
    events().OnBegin(session, position);
  }
  void OnBytes(const BlockHeader& header, Position from, SharedBytes bytes) override {
    events().OnBytes(header, from, std::move(bytes));
  }
  void OnGap(const Gap& gap) override { events().OnGap(gap); }
  void OnSessionChanged(const control::Welcome& now, SessionId old) override {
    events().OnSessionChanged(now, old);
  }
  void OnSessionContinues(const control::Welcome& now, SessionId old,
                          Position position) override {
    events().OnSessionContinues(now, old, position);
  }
  void OnWelcome(const control::Welcome& welcome) override {
    reader_->OnWelcome(*this, welcome);
  }
  void OnStandsApart(const control::Welcome& session) override {
    events().OnStandsApart(name_, session);
  }
  void OnMode(control::Mode mode) override { events().OnMode(name_, mode); }
  void OnEndOfStream(Position position, std::uint32_t exit_status) override {
    events().OnEndOfStream(position, exit_status);
  }
  void OnReceived() override { reader_->OnReceived(); }
  void OnLetGo(const std::string& reason) override { events().OnLetGo(name_, reason); }
  void OnDamaged(const std::string& what) override { events().OnDamaged(name_, what); }
  void OnNotAttached(const std::string& why) override { events().OnNotAttached(name_, why); }
  void OnSilence() override { events().OnSilence(name_); }
  void OnNotReached(const std::string& why) override { events().OnNotReached(name_, why); }
  void OnFail(int exit_status, const std::string& text) override {
    reader_->OnLinkFailed(*this, exit_status, text);
  }

  StreamEvents& events() { return reader_->events_; }

  StreamReader* reader_;
  const std::string endpoint_;
  const std::string name_;
  bool failed_ = false;
  bool placed_ = false;
  std::unique_ptr<AnyReceiver> receiver_;
};

StreamReader::StreamReader(Context& context, EventLoop& loop,
                           const std::vector<ReceiverOptions>& options, StreamEvents& events)
    : loop_(loop), events_(events) {
  const bool alone = options.size() == 1;
  for (const ReceiverOptions& one : options) {
    links_.push_back(std::make_unique<Link>(*this, context, one, alone));
    if (!shared_) {
      shared_ = links_.back()->modes().shared();
    } else {
      links_.back()->modes().Share(shared_);
    }
  }
  if (!alone) SettleNowAndThen();
}

StreamReader::StreamReader(EventLoop& loop, StreamEvents& events)
    : loop_(loop), events_(events), shared_(std::make_shared<SharedStream>()) {
  SettleNowAndThen();
}

void StreamReader::Add(Context& context, const ReceiverOptions& options) {
  links_.push_back(std::make_unique<Link>(*this, context, options, false));
  links_.back()->modes().Share(shared_);
}

// Also what a tick of one endpoint has done concerns the others.
void StreamReader::SettleNowAndThen() {
  settle_ = loop_.Every(kSettleEvery, [this] { shared_->Settle(loop_.now()); });
}

StreamReader::~StreamReader() {
  Close();
}

void StreamReader::Close() {
  loop_.Cancel(settle_);
  settle_ = 0;
  for (const auto& link : links_) link->receiver().Close();
}

bool StreamReader::Fits(const control::Welcome& welcome) const {
  const Progress& at = progress();
  return at.session == 0 || at.session == welcome.session || at.resuming ||
         std::ranges::find(welcome.past, at.session, &control::Past::session) !=
             welcome.past.end();
}

// It answers for the first time: it may have another stream.
void StreamReader::OnWelcome(Link& link, const control::Welcome& welcome) {
  if (link.placed()) return;
  if (!Fits(welcome)) {
    StreamReader* const other = elsewhere_ ? elsewhere_(welcome) : nullptr;
    const auto found =
        std::ranges::find_if(links_, [&](const auto& one) { return one.get() == &link; });
    if (other == nullptr || found == links_.end()) return;
    link.modes().Share(other->shared_);
    link.MoveTo(*other);
    other->links_.push_back(std::move(*found));
    links_.erase(found);
  }
  // Whoever has another session than a cursor may have to wait for the one that has that.
  const bool decided =
      !progress().resuming || links_.size() == 1 || welcome.session == progress().session;
  if (decided) link.set_placed();
}

bool StreamReader::MayGrow() const {
  if (progress().session == 0) return false;  // nobody has answered
  return std::ranges::any_of(links_, [&](const auto& link) {
    return !link->failed() && link->modes().MayCome() && link->modes().IsHeard(loop_.now());
  });
}

void StreamReader::OnReceived() {
  shared_->Settle(loop_.now());
  events_.OnReceived();
}

void StreamReader::SetProgress(std::uint64_t queued, Position written) {
  for (const auto& link : links_) {
    if (!link->failed()) link->receiver().SetProgress(queued, written);
  }
}

void StreamReader::SayGoodbye(Position written, bool ended) {
  for (const auto& link : links_) {
    if (link->failed()) continue;
    const bool answers =
        links_.size() == 1 || loop_.now() - link->modes().last_heard() < kHeardLately;
    link->receiver().SayGoodbye(written, ended, answers);
  }
}

void StreamReader::Stop() {
  for (const auto& link : links_) link->modes().Stop();
}

void StreamReader::Flush() {
  if (!links_.empty()) links_.front()->modes().Flush();
}

void StreamReader::GiveUp(const std::string& reason) {
  if (!links_.empty()) links_.front()->modes().GiveUp(reason);
}

void StreamReader::OnLinkFailed(Link& link, int exit_status, const std::string& text) {
  if (link.failed()) return;
  link.set_failed();
  const bool last = std::ranges::all_of(links_, [](const auto& one) { return one->failed(); });
  // That a publisher has vanished is true of the stream: nobody else has had it any more.
  if (last || exit_status == kExitUnreachable) {
    events_.OnFail(exit_status, text);
    return;
  }
  events_.OnEndpointFailed(link.name(), text);
  loop_.After(Duration(0), [this, &link] {  // not while it calls
    link.modes().Retire();
    link.receiver().Close();
    shared_->Settle(loop_.now());
  });
}

bool StreamReader::welcomed() const {
  return std::ranges::any_of(links_, [](const auto& link) { return link->modes().welcomed(); });
}

TimePoint StreamReader::last_heard() const {
  TimePoint last{};
  for (const auto& link : links_) last = std::max(last, link->modes().last_heard());
  return last;
}

ModeCounters StreamReader::counters() const {
  ModeCounters sum;
  for (const auto& link : links_) sum += link->modes().counters();
  return sum;
}

ReceiverCounters StreamReader::receiver_counters() const {
  ReceiverCounters sum;
  for (const auto& link : links_) {
    sum.damaged_blocks += link->receiver().counters().damaged_blocks;
    sum.wire_bytes += link->receiver().counters().wire_bytes;
    sum.foreign_messages += link->receiver().counters().foreign_messages;
  }
  return sum;
}

std::optional<StreamReader::Origin> StreamReader::origin() const {
  std::optional<Origin> origin;
  for (const auto& link : links_) {
    const ModeMachine& modes = link->modes();
    if (link->failed() || !modes.welcomed() || modes.session() != progress().session) continue;
    if (!origin) origin = Origin{modes.known_tail(), modes.started_ns(), modes.reached()};
    origin->tail = std::min(origin->tail, modes.known_tail());
    origin->reached = std::max(origin->reached, modes.reached());
  }
  return origin;
}

const std::string& StreamReader::endpoint(std::size_t number) const {
  return links_[number]->endpoint();
}

TimePoint StreamReader::last_heard(std::size_t number) const {
  return links_[number]->modes().last_heard();
}

bool StreamReader::is_asked(std::size_t number) const {
  return !links_[number]->failed();
}

}  // namespace pipedup
