#include "subscribe/range_reader.h"

#include <utility>
#include <variant>

#include "base/checksum.h"
#include "base/overloaded.h"

namespace pipedup {
namespace {

constexpr auto kTickEvery = std::chrono::milliseconds(100);
constexpr auto kIdle = std::chrono::seconds(10);
constexpr int kMessagesPerCall = 64;  // then the loop looks at the live stream

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
  tick_ = loop_.Every(kTickEvery, [this] { Tick(); });
}

RangeReader::~RangeReader() {
  loop_.Cancel(tick_);
  Close();
}

bool RangeReader::Ask(std::uint64_t ticket, const control::ReadFrom& from, std::uint64_t max) {
  if (questions_.size() >= control::kMaxReadsOutstanding) return false;
  Question question{ticket, {}};
  question.read.request = ++last_request_;
  question.read.session = session_;
  question.read.from = from;
  question.read.max = max;
  questions_.push_back(question);
  heard_ = loop_.now();
  if (!control_) {
    Connect();
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
  for (int i = 0; i < kMessagesPerCall && control_ && !failed_ && !next_; ++i) {
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
  if (frame.header->session != session_ || frame.header->kind != BlockKind::kData) return;
  heard_ = loop_.now();
  BlockHeader header = *frame.header;
  if (header.codec != Codec::kNone) {
    header.codec = Codec::kNone;
    if (header.checksummed) header.checksum = Checksum(payload->bytes);
  }
  events_.OnRangeBlock(questions_.front().ticket, header, std::move(*payload));
}

/// The stream's bytes; nothing if they are not what the header says.
std::optional<SharedBytes> RangeReader::PayloadOf(const BlockHeader& header) {
  SharedBytes sent = frames_[1].Share();
  if (header.checksummed && header.checksum != Checksum(sent.bytes)) return std::nullopt;
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
                     for (const Question& question : questions_) Send(question.read);
                   }
                 },
                 [this](const control::Done& done) {
                   if (questions_.empty() || done.request != questions_.front().read.request) {
                     return;
                   }
                   heard_ = loop_.now();
                   if (done.outcome == control::Done::Outcome::kGone && AskNext()) return;
                   const std::uint64_t ticket = questions_.front().ticket;
                   questions_.pop_front();
                   const bool same = done.outcome != control::Done::Outcome::kWrongSession;
                   events_.OnRangeDone(ticket, same ? &done : nullptr);
                 },
                 [this](const control::Refused&) { failed_ = true; },
                 [this](const control::Error&) { failed_ = true; },
                 [](const auto&) {},
             },
             message);
}

/// Whether another endpoint may have what this one no longer has: it is asked next.
bool RangeReader::AskNext() {
  if (++questions_.front().refused >= endpoints_.size()) return false;
  next_ = true;
  return true;
}

void RangeReader::Fail() {
  failed_ = false;
  Close();
  next_endpoint_ = (next_endpoint_ + 1) % endpoints_.size();
  if (next_endpoint_ == 0) ipv6_ = !ipv6_;
  for (const Question& question : std::exchange(questions_, {})) {
    events_.OnRangeDone(question.ticket, nullptr);
  }
}

void RangeReader::Tick() {
  if (!control_) return;
  if (std::exchange(next_, false)) {
    Close();
    next_endpoint_ = (next_endpoint_ + 1) % endpoints_.size();
    Connect();
  }
  const Duration since = loop_.now() - heard_;
  if (failed_ || (!questions_.empty() && since > patience_)) {
    Fail();
  } else if (questions_.empty() && since > kIdle) {
    Close();
  }
}

}  // namespace pipedup
