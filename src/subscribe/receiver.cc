#include "subscribe/receiver.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "base/checksum.h"
#include "base/error.h"
#include "base/overloaded.h"
#include "base/text.h"

namespace pipedup {
namespace {

constexpr auto kTickEvery = std::chrono::milliseconds(50);
constexpr auto kStatusMoving = std::chrono::milliseconds(250);
constexpr auto kStatusIdle = std::chrono::seconds(2);
constexpr auto kFarewell = std::chrono::milliseconds(500);
constexpr std::uint64_t kFarewellRequest = 0;  // the machine's own begin with 1
constexpr std::size_t kMaxFrames = 2;
constexpr int kLocalPerCall = 8;  // pieces of at most 1 MiB, then likewise
// Taken from the journal and not written: enough to keep a writer busy. What is behind it stays
// in the journal, and is retained there or not.
constexpr std::uint64_t kLocalAhead = 4 * 1024 * 1024;

}  // namespace

Receiver::Receiver(Context& context, EventLoop& loop, ReceiverOptions options,
                   ReceiverEvents& events)
    : context_(context),
      loop_(loop),
      options_(std::move(options)),
      events_(events),
      machine_(options_.modes, *this),
      remake_pause_(options_.modes.dead_after) {
  ipv6_ = options_.endpoint.IsIpv6();
  Connect();
  tick_ = loop_.Every(kTickEvery, [this] { Tick(); });
}

Receiver::~Receiver() {
  Close();
}

void Receiver::Connect() {
  data_.emplace(Socket::Sub(context_, ipv6_));
  control_.emplace(Socket::Dealer(context_, ipv6_));
  data_connected_ = false;
  data_watch_ = loop_.OnMessage(*data_, [this] { ReceiveData(); });
  control_watch_ = loop_.OnMessage(*control_, [this] { ReceiveControl(); });
  control_->Connect(options_.endpoint.control());
  connected_at_ = loop_.now();
  machine_.OnConnect(connected_at_);
}

void Receiver::Close() {
  loop_.Cancel(tick_);
  loop_.Cancel(remake_);
  tick_ = remake_ = 0;
  if (!data_) return;
  Detach();
  loop_.Remove(data_watch_);
  loop_.Remove(control_watch_);
  data_.reset();
  control_.reset();
}

void Receiver::Remake() {
  events_.OnSilence();
  if (!data_) return;
  // In a callback of these very sockets nothing may be destroyed under it, so it waits its
  // turn.
  deaf_ = machine_.last_heard() <= connected_at_;
  remake_ = loop_.After(remake_pause_.Next(!deaf_, RandomId()), [this] {
    remake_ = 0;
    loop_.Remove(data_watch_);
    loop_.Remove(control_watch_);
    // A hello that waits there for a publisher that has just come would arrive after that of
    // the new one, and be taken for where this subscriber is now.
    control_->SetLinger(std::chrono::milliseconds(0));
    if (options_.endpoint.IsName()) ipv6_ = !ipv6_;
    Connect();
  });
}

// ---- out ----

void Receiver::Send(const control::Message& message) {
  // A full queue means that nobody is there: everything said here is said again.
  if (control_) (void)control_->Send(AsBytes(control::Encode(message)), Frame::kLast);
}

void Receiver::SendHello() {
  control::Hello hello = options_.hello;
  hello.codecs = {std::string(kZstdName)};
  Send(hello);
}

void Receiver::SendRead(const control::Read& read) {
  // A ping takes the status of an idle subscriber along: the publisher wakes up once for both.
  if (read.max == 0 && loop_.now() - said_at_ >= kStatusIdle / 2) SendStatus();
  Send(read);
}

void Receiver::Subscribe(const std::string& stream) {
  if (data_) data_->Subscribe(stream + '\0');
}

void Receiver::Unsubscribe(const std::string& stream) {
  if (data_) data_->Unsubscribe(stream + '\0');
}

// ---- the journal itself ----

bool Receiver::Attach(const control::Welcome& session, Position position) {
  if (!data_) return false;
  std::string why;
  std::unique_ptr<AttachedJournal> journal =
      AttachedJournal::Open(session.journal, session.session, &why);
  const bool found = journal && journal->Locate(position);
  if (journal && !found) why = session.journal + ": does not hold the position";
  if (!found) {
    events_.OnNotAttached(why);
    return false;
  }
  attached_ = std::move(journal);
  attached_stream_ = session.stream;
  data_->Subscribe(FramePrefix(session.stream, BlockKind::kHead));
  data_->Subscribe(FramePrefix(session.stream, BlockKind::kEndOfStream));
  attached_watch_ = loop_.OnReadable(attached_->fd(), [this] {
    attached_->ClearWatch();
    ReadLocal();
  });
  ReadLocalSoon();
  return true;
}

void Receiver::Detach() {
  if (!attached_) return;
  loop_.Remove(attached_watch_);
  loop_.Cancel(read_local_);
  read_local_ = 0;
  attached_.reset();
  if (!data_) return;
  data_->Unsubscribe(FramePrefix(attached_stream_, BlockKind::kHead));
  data_->Unsubscribe(FramePrefix(attached_stream_, BlockKind::kEndOfStream));
}

void Receiver::ReadLocalSoon() {
  if (!attached_ || read_local_ != 0 || queued_ >= kLocalAhead) return;
  read_local_ = loop_.After(Duration(0), [this] {
    read_local_ = 0;
    ReadLocal();
  });
}

void Receiver::ReadLocal() {
  for (int i = 0; attached_ && queued_ < kLocalAhead; ++i) {
    if (i == kLocalPerCall) {
      ReadLocalSoon();
      return;
    }
    const Position at = machine_.position();
    std::optional<AttachedJournal::Piece> piece = attached_->Read(at, kMaxBlockBytes);
    if (!piece && at < machine_.known_head()) {
      // It is published, so it is somewhere else: retention has passed it, or it never was in
      // a file.
      if (attached_->Locate(at)) piece = attached_->Read(at, kMaxBlockBytes);
      if (!piece) {
        machine_.OnLocalMissing(loop_.now());
        events_.OnReceived();
        return;
      }
    }
    if (!piece) return;
    machine_.OnLocal(piece->header, piece->bytes, loop_.now());
    events_.OnReceived();
  }
}

void Receiver::SendStatus() {
  if (!machine_.located()) return;
  control::Status status;
  status.session = machine_.session();
  status.position = written_;
  status.lost = machine_.shared()->lost_bytes;
  status.mode = machine_.mode();
  said_ = written_;
  said_at_ = loop_.now();
  Send(status);
}

void Receiver::SetProgress(std::uint64_t queued, Position written) {
  written_ = written;
  // What is read while ATTACHED leaves no queue of the publisher: it hears of it less often.
  const std::uint64_t step = attached_ ? window_ / 2 : window_ / 8;
  const bool much = window_ > 0 && written_ > said_ && written_ - said_ >= step;
  const bool caught_up = window_ > 0 && machine_.mode() == control::Mode::kEnded;
  if (written_ != said_ && (much || caught_up)) SendStatus();
  if (queued != queued_) {
    queued_ = queued;
    machine_.OnQueued(queued, loop_.now());
    ReadLocalSoon();
  }
}

void Receiver::SendFarewellPing() {
  control::Read ping;
  ping.request = kFarewellRequest;
  ping.session = machine_.session();
  Send(ping);
}

/// Takes answers until one passes, for kFarewell at most.
template <typename Passes>
void Receiver::AwaitAnswer(Passes passes) {
  const TimePoint deadline = Clock::now() + kFarewell;
  for (TimePoint now = Clock::now(); now < deadline; now = Clock::now()) {
    if (!control_->Receive(&frames_, kMaxFrames)) {
      control_->WaitForMessage(std::chrono::ceil<std::chrono::milliseconds>(deadline - now));
      continue;
    }
    if (frames_.empty()) continue;
    const control::ParseResult parsed = control::Parse(frames_[0].bytes());
    const auto* const message = std::get_if<control::Message>(&parsed);
    if (message == nullptr) continue;  // a block that was asked for
    if (passes(*message)) return;
  }
}

bool Receiver::SaysUnknown(const control::Message& message) {
  const auto* const error = std::get_if<control::Error>(&message);
  return error != nullptr && error->code == "unknown-member";
}

// A publisher that has been started again knows nobody who has not said hello to it, and may
// have told the end of the stream before there was a reason to.
void Receiver::MakeKnown() {
  SendFarewellPing();
  AwaitAnswer([this](const control::Message& message) {
    if (SaysUnknown(message)) SendHello();
    const auto* const done = std::get_if<control::Done>(&message);
    return std::holds_alternative<control::Welcome>(message) ||
           (done != nullptr && done->request == kFarewellRequest);
  });
}

// A connection that is closed while answers to ranges are under way is reset, and takes a bye
// along that the publisher has not read yet. So what comes is read until it knows us no more.
void Receiver::MakeUnknown() {
  SendFarewellPing();
  AwaitAnswer([](const control::Message& message) { return SaysUnknown(message); });
}

void Receiver::SayGoodbye(Position written, bool ended, bool answers) {
  written_ = written;
  if (control_ && machine_.welcomed() && answers) MakeKnown();
  if (machine_.began()) {
    control::Status status;
    status.session = machine_.session();
    status.position = written;
    status.lost = machine_.shared()->lost_bytes;
    status.mode = ended ? control::Mode::kEnded : machine_.mode();
    Send(status);
  }
  Send(control::Bye{});
  // Who has all of it has nothing under way, and a publisher that has heard so may be gone.
  if (control_ && machine_.welcomed() && answers && !ended) MakeUnknown();
}

void Receiver::Tick() {
  const Duration since = loop_.now() - said_at_;
  if ((written_ != said_ && since >= kStatusMoving) || since >= kStatusIdle) SendStatus();
  if (remake_ != 0 && deaf_ && machine_.last_heard() > connected_at_) {
    loop_.Cancel(std::exchange(remake_, 0));  // it is there after all
  }
  if (remake_ == 0) machine_.OnTick(loop_.now());
}

// ---- in ----

/// The header of the block in frames_, and its payload, decoded.
std::optional<BlockHeader> Receiver::CheckBlock(std::string_view topic, SharedBytes* payload,
                                                bool* damaged) {
  *damaged = false;
  const ParsedFrame parsed = ParseFrame(frames_[0].bytes());
  *payload = frames_.size() > 1 ? frames_[1].Share() : SharedBytes();
  counters_.wire_bytes += frames_[0].bytes().size() + payload->size();
  std::string what;
  if (!parsed.header) {
    what = Describe(parsed.error);
  } else if (parsed.topic != topic) {
    ++counters_.foreign_messages;
    return std::nullopt;
  } else if (parsed.header->codec == Codec::kNone && parsed.header->length != payload->size()) {
    what = "header and payload differ in length";
  } else if (parsed.header->kind == BlockKind::kData && parsed.header->checksummed &&
             Checksum(payload->bytes) != parsed.header->checksum) {
    what = "bad checksum";
  } else if (parsed.header->codec == Codec::kZstd && !Decode(*parsed.header, payload)) {
    what = "does not decompress to what the header says";
  } else {
    return parsed.header;
  }
  *damaged = true;
  ++counters_.damaged_blocks;
  events_.OnDamaged(what);
  return std::nullopt;
}

bool Receiver::Decode(const BlockHeader& header, SharedBytes* payload) {
  if (header.kind != BlockKind::kData) return payload->size() == 0;
  std::optional<SharedBytes> plain = decompressor_.Decompress(payload->bytes, header.length);
  if (!plain) return false;
  if (options_.keep_encoded) {
    plain->encoded = std::make_shared<const SharedBytes>(std::move(*payload));
  }
  *payload = std::move(*plain);
  return true;
}

void Receiver::ReceiveData() {
  for (int i = 0; i < kMessagesPerCall && data_ && data_->Receive(&frames_, kMaxFrames); ++i) {
    if (frames_.empty()) {
      ++counters_.foreign_messages;
      continue;
    }
    SharedBytes payload;
    bool damaged = false;
    const auto header = CheckBlock(stream_, &payload, &damaged);
    if (header) {
      machine_.OnLive(*header, std::move(payload), loop_.now());
    } else if (damaged) {
      machine_.OnDamaged(loop_.now());
    }
    ReadLocalSoon();
    events_.OnReceived();
  }
}

void Receiver::ReceiveControl() {
  for (int i = 0; i < kMessagesPerCall && control_ && control_->Receive(&frames_, kMaxFrames);
       ++i) {
    if (frames_.empty()) {
      ++counters_.foreign_messages;
      continue;
    }
    const ByteSpan first = frames_[0].bytes();
    if (!first.empty() && first[0] == std::byte{0}) {
      SharedBytes payload;
      bool damaged = false;
      const auto header = CheckBlock("", &payload, &damaged);
      if (header) machine_.OnReplay(*header, std::move(payload), loop_.now());
      events_.OnReceived();
      continue;  // a damaged one leaves a hole that is asked for again
    }
    const control::ParseResult parsed = control::Parse(first);
    if (const auto* message = std::get_if<control::Message>(&parsed)) {
      OnAnswer(*message);
    } else {
      ++counters_.foreign_messages;
    }
    events_.OnReceived();
  }
}

void Receiver::OnAnswer(const control::Message& message) {
  std::visit(
      Overloaded{
          [this](const control::Welcome& welcome) { OnWelcome(welcome); },
          [this](const control::Done& done) { machine_.OnDone(done, loop_.now()); },
          [this](const control::Refused& refused) {
            events_.OnFail(kExitRefused, "refused by the publisher: " + Escape(refused.reason));
          },
          [this](const control::LetGo& let_go) { events_.OnLetGo(Escape(let_go.reason)); },
          [this](const control::Error& error) {
            machine_.OnError(error.code, error.reason, loop_.now());
          },
          [this](const auto&) { ++counters_.foreign_messages; },
      },
      message);
}

void Receiver::OnWelcome(const control::Welcome& welcome) {
  if (welcome.version != control::kProtocolVersion) {
    events_.OnFail(kExitRefused, "the publisher speaks protocol " +
                                     std::to_string(welcome.version) + ", this program " +
                                     std::to_string(control::kProtocolVersion));
    return;
  }
  if (!options_.relay_id.empty() &&
      std::ranges::find(welcome.path, options_.relay_id) != welcome.path.end()) {
    events_.OnFail(kExitRefused, "a loop: " + options_.endpoint.data() +
                                     " relays what this relay itself publishes");
    return;
  }
  events_.OnWelcome(welcome);
  stream_ = welcome.stream;
  window_ = welcome.window;
  if (!data_connected_) {
    data_connected_ = true;
    data_->Connect(welcome.data.empty() ? options_.endpoint.data() : welcome.data);
  }
  machine_.OnWelcome(welcome, loop_.now());
  said_at_ = TimePoint{};  // a publisher that has just met us is told where we stand
}

// ---- from the machine to the owner ----

void Receiver::Deliver(const BlockHeader& header, Position from, SharedBytes bytes) {
  events_.OnBytes(header, from, std::move(bytes));
}
void Receiver::ReportGap(const Gap& gap) {
  events_.OnGap(gap);
}
void Receiver::Begin(const control::Welcome& session, Position position) {
  written_ = said_ = position;
  said_at_ = TimePoint{};
  events_.OnBegin(session, position);
}
void Receiver::SessionChanged(const control::Welcome& now, SessionId old) {
  events_.OnSessionChanged(now, old);
}
void Receiver::SessionContinues(const control::Welcome& now, SessionId old, Position position) {
  events_.OnSessionContinues(now, old, position);
}
void Receiver::StandsApart(const control::Welcome& session) {
  events_.OnStandsApart(session);
}
void Receiver::ModeChanged(control::Mode mode) {
  said_at_ = TimePoint{};
  events_.OnMode(mode);
}
void Receiver::EndOfStream(Position position, std::uint32_t exit_status) {
  events_.OnEndOfStream(position, exit_status);
}
void Receiver::Fail(int exit_status, const std::string& text) {
  events_.OnFail(exit_status, text);
}

}  // namespace pipedup
