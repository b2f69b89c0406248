#include "subscribe/range_reader.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "base/checksum.h"
#include "base/overloaded.h"

namespace pipedup {
namespace {

constexpr auto kRangeTickEvery = std::chrono::milliseconds(100);
constexpr auto kIdle = std::chrono::seconds(10);
constexpr auto kIdleAtEnd = std::chrono::seconds(1);
constexpr auto kRangePingEvery = std::chrono::seconds(2);  // else it is no member after 10 s
constexpr auto kPause = std::chrono::milliseconds(500);    // between two connections
constexpr int kMostRounds = 10;                            // of patience

}  // namespace

RangeReader::RangeReader(Context& context, EventLoop& loop, std::vector<Endpoint> endpoints,
                         control::Hello hello, SessionId session, Duration patience,
                         RangeReaderEvents& events)
    : context_(context),
      loop_(loop),
      endpoints_(std::move(endpoints)),
      hello_(std::move(hello)),
      session_(session),
      patience_(patience),
      events_(events) {
  hello_.codecs = {std::string(kZstdName)};
  tick_ = loop_.Every(kRangeTickEvery, [this] { Tick(); });
}

RangeReader::~RangeReader() {
  loop_.Cancel(tick_);
  Close();
}

bool RangeReader::Ask(std::uint64_t ticket, const control::ReadFrom& from, std::uint64_t max) {
  if (questions_.size() >= control::kMaxReadsOutstanding) return false;
  Question question;
  question.ticket = ticket;
  question.read.request = ++last_request_;
  question.read.session = session_;
  question.read.from = from;
  question.read.max = max;
  question.since = loop_.now();
  questions_.push_back(question);
  if (questions_.size() == 1) heard_ = loop_.now();
  if (!control_) {
    if (loop_.now() - connected_ >= kPause) Connect();  // else Tick does
  } else if (welcome_) {
    Send(question.read);
  }
  return true;
}

void RangeReader::Connect() {
  const Endpoint& endpoint = endpoints_[next_endpoint_];
  control_.emplace(Socket::Dealer(context_, endpoint.IsIpv6() || (endpoint.IsName() && ipv6_)));
  watch_ = loop_.OnMessage(*control_, [this] { Receive(); });
  welcome_ = false;
  heard_ = connected_ = loop_.now();
  control_->Connect(endpoint.control());
  Send(hello_);
}

void RangeReader::Close() {
  if (!control_) return;
  Send(control::Bye{});
  loop_.Remove(watch_);
  control_.reset();
}

void RangeReader::Send(const control::Message& message) {
  (void)control_->Send(AsBytes(control::Encode(message)), Frame::kLast);
}

void RangeReader::Receive() {
  for (int i = 0; i < kMessagesPerCall && control_ && !failed_; ++i) {
    if (!control_->Receive(&frames_, 2)) return;
    if (frames_.empty()) continue;
    const ByteSpan first = frames_[0].bytes();
    if (!first.empty() && first[0] == std::byte{0}) {
      OnBlock();
      continue;
    }
    const control::ParseResult parsed = control::Parse(first);
    if (const auto* message = std::get_if<control::Message>(&parsed)) OnMessage(*message);
  }
}

void RangeReader::OnBlock() {
  const ParsedFrame frame = ParseFrame(frames_[0].bytes());
  if (frames_.size() < 2 || questions_.empty()) return;
  std::optional<SharedBytes> payload;
  if (frame.header) payload = PayloadOf(*frame.header);
  if (!payload) {
    failed_ = true;  // the question is asked again; not while its socket is read
    return;
  }
  const BlockHeader& header = *frame.header;
  if (header.session != session_ || header.kind != BlockKind::kData) return;
  Question& question = questions_.front();
  control::Read& read = question.read;
  const bool placed = read.from.kind == control::ReadFrom::Kind::kPosition;
  if (placed && header.end() <= read.from.value) return;  // came before
  if (read.max == 0 || (placed && header.position > read.from.value)) {
    failed_ = true;  // more than was asked for, or something is missing before it
    return;
  }
  const Position begin = placed ? read.from.value : header.position;
  read.max -= std::min(read.max, header.end() - begin);
  read.from = {control::ReadFrom::Kind::kPosition, header.end()};
  heard_ = question.since = loop_.now();
  BlockHeader plain = header;
  if (header.codec != Codec::kNone) {
    plain.codec = Codec::kNone;
    if (header.checksummed) plain.checksum = Checksum(payload->bytes);
  }
  events_.OnRangeBlock(question.ticket, plain, std::move(*payload));
}

/// The stream's bytes; nothing if they are not what the header says.
std::optional<SharedBytes> RangeReader::PayloadOf(const BlockHeader& header) {
  SharedBytes sent = frames_[1].Share();
  const bool is_data = header.kind == BlockKind::kData;
  if (is_data && header.checksummed && header.checksum != Checksum(sent.bytes)) {
    return std::nullopt;
  }
  if (header.codec == Codec::kZstd) return decompressor_.Decompress(sent.bytes, header.length);
  if (header.length != sent.size()) return std::nullopt;
  return sent;
}

void RangeReader::OnMessage(const control::Message& message) {
  std::visit(Overloaded{
                 [this](const control::Welcome& welcome) {
                   if (welcome.session != session_) {
                     failed_ = true;
                   } else if (!std::exchange(welcome_, true)) {
                     given_up_ = false;
                     Resend();
                   }
                 },
                 [this](const control::Done& done) {
                   if (questions_.empty() || done.request != questions_.front().read.request) {
                     return;
                   }
                   const control::ReadFrom& from = questions_.front().read.from;
                   const bool behind = done.outcome == control::Done::Outcome::kOk &&
                                       from.kind == control::ReadFrom::Kind::kPosition &&
                                       questions_.front().read.max > 0 &&
                                       done.next < from.value;
                   if (behind || done.outcome == control::Done::Outcome::kWrongSession) {
                     failed_ = true;  // a relay that has not got there yet
                     return;
                   }
                   heard_ = loop_.now();
                   if (done.outcome == control::Done::Outcome::kGone && AskNext()) return;
                   const std::uint64_t ticket = questions_.front().ticket;
                   questions_.pop_front();
                   if (!questions_.empty()) questions_.front().since = heard_;
                   events_.OnRangeDone(ticket, &done);
                 },
                 [this](const control::Refused&) { failed_ = true; },
                 [this](const control::Error&) { failed_ = true; },
                 [](const auto&) {},
             },
             message);
}

// Under new numbers, so that no answer is taken for another one's.
void RangeReader::Resend() {
  for (Question& question : questions_) {
    question.read.request = ++last_request_;
    Send(question.read);
  }
}

/// Whether another endpoint may have what this one no longer has: it is asked next.
bool RangeReader::AskNext() {
  if (++questions_.front().refused >= endpoints_.size()) return false;
  failed_ = true;
  return true;
}

void RangeReader::Fail() {
  failed_ = false;
  Close();
  next_endpoint_ = (next_endpoint_ + 1) % endpoints_.size();
  if (next_endpoint_ == 0) ipv6_ = !ipv6_;
  const Duration limit = expects_end_ || given_up_ ? patience_ : kMostRounds * patience_;
  if (questions_.empty() || loop_.now() - questions_.front().since < limit) return;
  given_up_ = true;
  for (const Question& question : std::exchange(questions_, {})) {
    events_.OnRangeDone(question.ticket, nullptr);
  }
}

void RangeReader::Tick() {
  const TimePoint now = loop_.now();
  if (!control_) {
    if (!questions_.empty() && now - connected_ >= kPause) Connect();
  } else if (failed_ || (!questions_.empty() && now - heard_ > patience_)) {
    Fail();
  } else if (questions_.empty() && now - heard_ > (expects_end_ ? kIdleAtEnd : kIdle)) {
    if (!events_.MoreIsNeeded()) return Close();
    if (now - pinged_ < kRangePingEvery) return;
    pinged_ = now;
    control::Read ping;
    ping.session = session_;
    Send(ping);
  }
}

}  // namespace pipedup
