// Over 500 lines: one simulation of a publisher, a network and a consumer.
// The signature property, by seed: whatever is dropped, damaged, forgotten, delayed or
// restarted, what was delivered and what was reported lost are together what was produced, in
// order and once.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <functional>
#include <list>

#include "base/error.h"
#include "base/sanitizer.h"
#include "simulated_publisher.h"
#include "subscribe/modes.h"

namespace pipedup {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::uint64_t kMiB = 1024 * 1024;

struct Plan {
  Faults faults;
  Beginning::Kind from = Beginning::Kind::kNow;
  RecordFormat format = RecordFormat::kLines;
  std::uint64_t hold_bytes = 16 * kMiB;
  std::uint64_t retain_bytes = kMiB;
  std::uint64_t produce_bytes = 4 * kMiB;  ///< of each session
  std::uint64_t before_bytes = 0;          ///< published before the subscriber comes
  std::uint64_t consumer_rate = 0;         ///< bytes for each ms; 0: whatever comes
  int restarts = 0;
  bool follow = false;
  bool crash = false;       ///< a restart comes in the middle of a session
  bool partitions = false;  ///< now and then nothing arrives for some seconds
};

Plan MakePlan(std::mt19937_64& random) {
  const auto pick = [&](auto... values) {
    const std::array all{values...};
    return all[random() % all.size()];
  };
  Plan plan;
  plan.faults.drop_live = pick(0.0, 0.0, 0.01, 0.1, 0.5);
  plan.faults.damage_live = pick(0.0, 0.0, 0.02);
  plan.faults.lose_answer = pick(0.0, 0.0, 0.05, 0.3);
  plan.faults.forget_member = pick(0.0, 0.0, 0.05);
  plan.from = pick(Beginning::Kind::kNow, Beginning::Kind::kStart, Beginning::Kind::kStart,
                   Beginning::Kind::kPosition, Beginning::Kind::kAgo, Beginning::Kind::kLast);
  plan.format =
      pick(RecordFormat::kLines, RecordFormat::kLines, RecordFormat::kNul, RecordFormat::kRaw);
  if (plan.format == RecordFormat::kRaw && plan.from == Beginning::Kind::kLast) {
    plan.from = Beginning::Kind::kNow;
  }
  plan.hold_bytes = pick(5 * kMiB, 9 * kMiB, 16 * kMiB);
  plan.retain_bytes = pick(kMiB / 4, kMiB / 4, kMiB, 4 * kMiB, 64 * kMiB);
  plan.produce_bytes =
      pick(std::uint64_t{0}, std::uint64_t{1000}, kMiB / 3, 2 * kMiB, 7 * kMiB);
  plan.before_bytes = random() % 3 == 0 ? 0 : random() % (plan.produce_bytes + 1);
  plan.consumer_rate =
      pick(std::uint64_t{0}, std::uint64_t{0}, std::uint64_t{500}, std::uint64_t{20000});
  plan.follow = random() % 3 == 0;
  plan.restarts = random() % 3 == 0 ? 1 + static_cast<int>(random() % 2) : 0;
  plan.crash = random() % 2 == 0;
  plan.partitions = random() % 4 == 0;
  return plan;
}

/// One run: the publisher, the machine and its consumer, by a clock of its own.
class Simulation final : public ModeActions {
 public:
  explicit Simulation(std::uint64_t seed) : random_(seed), plan_(MakePlan(random_)) {}

  void Run() {
    StartPublisher();
    Produce(plan_.before_bytes);
    ModeOptions options;
    options.from.kind = plan_.from;
    options.follow = plan_.follow;
    options.hold_bytes = plan_.hold_bytes;
    if (plan_.from == Beginning::Kind::kLast) options.from.value = random_() % 200;
    if (plan_.from == Beginning::Kind::kAgo) options.from.value = random_() % 400'000'000;
    if (plan_.from == Beginning::Kind::kPosition) {
      options.from.value = random_() % (publisher_->journal().head() + 1);
    }
    asked_position_ = options.from.value;
    machine_.emplace(options, *this);
    machine_->OnConnect(now_);
    while (!over_ && !testing::Test::HasFailure()) Step();
    Finish();
  }

  /// Gaps whose numbers of records were wrong.
  int wrong_records() const { return wrong_records_; }
  std::uint64_t lost() const { return lost_; }
  std::uint64_t delivered() const { return delivered_; }
  const ModeCounters& counters() const { return machine_->counters(); }

 private:
  Session& session() { return sessions_.back(); }
  bool Chance(double p) { return std::uniform_real_distribution<double>(0, 1)(random_) < p; }

  // ---- the world ----

  void StartPublisher() {
    sessions_.emplace_back();
    session().id = 100 + sessions_.size();
    session().format = plan_.format;
    publisher_.emplace(session(), plan_.retain_bytes, plan_.faults, random_, &wall_ns_);
    to_produce_ = plan_.produce_bytes;
  }

  void Produce(std::uint64_t bytes) {
    static const std::string kText = [] {
      std::string text;
      std::mt19937_64 random(1);
      while (text.size() < 3 * kMiB) {
        text.append(random() % 50 == 0 ? random() % 40000 : random() % 120, 'x');
        for (std::size_t i = text.size() - std::min<std::size_t>(text.size(), 8);
             i < text.size(); ++i) {
          text[i] = static_cast<char>('a' + random() % 26);
        }
        text += random() % 4 == 0 ? '\0' : '\n';
      }
      return text;
    }();
    bytes = std::min(bytes, to_produce_);
    to_produce_ -= bytes;
    while (bytes > 0) {
      const std::size_t from = random_() % (kText.size() / 2);
      const std::size_t length = std::min<std::size_t>(
          bytes, Chance(0.1) ? random_() % 400'000 + 1 : random_() % 20'000 + 1);
      publisher_->Produce(std::string_view(kText).substr(from, length), Chance(0.3));
      bytes -= length;
    }
  }

  void Step() {
    const auto passed = milliseconds(1 + random_() % 20);
    now_ += passed;
    wall_ns_ += std::chrono::nanoseconds(passed).count();
    ASSERT_LT(now_ - started_, seconds(600)) << "no progress: " << Where();

    if (to_produce_ > 0 && Chance(0.5)) Produce(random_() % 60'000);
    const bool crash = plan_.crash && to_produce_ > 0 && Chance(0.004);
    const bool next = session().ended && now_ - ended_at_ > seconds(3);
    if (plan_.restarts > 0 && (crash || next)) {
      --plan_.restarts;
      Disconnect();
      StartPublisher();
    }
    if (to_produce_ == 0 && !session().ended && Chance(0.1)) {
      publisher_->End();
      ended_at_ = now_;
    }
    if (session().ended && now_ - ended_at_ > seconds(20)) publisher_->set_faults({});
    if (now_ - last_head_ > milliseconds(400)) {
      last_head_ = now_;
      publisher_->SendHead();
    }
    if (plan_.partitions && partition_until_ < now_ && !session().ended && Chance(0.002)) {
      partition_until_ = now_ + milliseconds(random_() % 5000);
    }
    if (partition_until_ >= now_) {
      Disconnect();
    } else {
      Exchange();
    }
    Consume(static_cast<std::uint64_t>(passed.count()));
    if (now_ - last_tick_ >= milliseconds(50)) {
      last_tick_ = now_;
      machine_->OnTick(now_);
      AfterCall();
    }
    const bool end_of_all =
        !plan_.follow || (plan_.restarts == 0 && machine_->session() == session().id);
    if (failed_ || (machine_->state() == ModeMachine::State::kEnded && end_of_all))
      over_ = true;
  }

  /// Requests arrive, answers are made and arrive, each at its own pace.
  void Exchange() {
    while (!requests_.empty() && Chance(0.8)) {
      const auto request = std::move(requests_.front());
      requests_.pop_front();
      request(*publisher_);
    }
    while (Chance(0.8) && publisher_->Serve()) {
    }
    while (!publisher_->live.empty() && Chance(0.9)) {
      const SimulatedPublisher::LiveMessage message = std::move(publisher_->live.front());
      publisher_->live.pop_front();
      if (message.damaged) {
        machine_->OnDamaged(now_);
      } else {
        machine_->OnLive(message.header, message.payload, now_);
      }
      AfterCall();
    }
    while (!publisher_->answers.empty() && Chance(0.9)) {
      const SimulatedPublisher::Answer answer = std::move(publisher_->answers.front());
      publisher_->answers.pop_front();
      if (const auto* welcome = std::get_if<control::Welcome>(&answer)) {
        machine_->OnWelcome(*welcome, now_);
      } else if (const auto* done = std::get_if<control::Done>(&answer)) {
        std::erase_if(outstanding_, [&](const auto& read) { return read <= done->request; });
        machine_->OnDone(*done, now_);
      } else if (const auto* error = std::get_if<control::Error>(&answer)) {
        if (error->code == "unknown-member") outstanding_.clear();
        machine_->OnError(error->code, error->reason, now_);
      } else {
        const auto& block = std::get<SimulatedPublisher::ReplayBlock>(answer);
        last_replay_ = now_;
        machine_->OnReplay(block.header, block.payload, now_);
      }
      AfterCall();
    }
  }

  void Consume(std::uint64_t ms) {
    if (stalled_until_ > now_ || queued_ == 0) return;
    if (plan_.consumer_rate > 0 && Chance(0.002)) stalled_until_ = now_ + seconds(2);
    const std::uint64_t rate = plan_.consumer_rate == 0 ? queued_ : plan_.consumer_rate * ms;
    queued_ -= std::min(queued_, rate);
    AfterCall();
  }

  /// What the receiver does after each message.
  void AfterCall() {
    if (remake_) {
      remake_ = false;
      Disconnect();
      machine_->OnConnect(now_);
    }
    if (queued_ != said_queued_) {
      said_queued_ = queued_;
      machine_->OnQueued(queued_, now_);
    }
    ASSERT_LE(queued_, plan_.hold_bytes + control::kMaxReadBytes + kMaxBlockBytes) << Where();
  }

  void Disconnect() {
    publisher_->Disconnect();
    // SUB and DEALER connect again by themselves; what was asked is gone with the connection.
    requests_.clear();
    if (subscribed_) requests_.push_back([](auto& publisher) { publisher.Subscribed(true); });
    outstanding_.clear();
  }

  void Finish() {
    if (testing::Test::HasFailure()) return;
    machine_->Flush();
    const Session& last = session();
    if (failed_) return;
    ASSERT_EQ(machine_->state(), ModeMachine::State::kEnded) << Where();
    ASSERT_TRUE(end_told_) << Where();
    if (plan_.follow) {
      ASSERT_EQ(expected_session_, last.id) << Where();
    }
    ASSERT_EQ(expected_, SessionOf(expected_session_).bytes.size()) << Where();
  }

  const Session& SessionOf(SessionId id) const {
    for (const Session& one : sessions_) {
      if (one.id == id) return one;
    }
    ADD_FAILURE() << "session " << id << " was never there; " << Where();
    return sessions_.back();
  }

  /// The first position at or behind `at` where a record begins.
  Position BoundaryFrom(Position at) {
    while (at < session().bytes.size() && !session().IsBoundary(at)) ++at;
    return at;
  }

  std::string Where() const {
    return "state " + std::to_string(static_cast<int>(machine_->state())) + ", session " +
           std::to_string(machine_->session()) + ", position " +
           std::to_string(machine_->position()) + " of " +
           std::to_string(sessions_.back().bytes.size()) + ", known head " +
           std::to_string(machine_->known_head()) + ", queued " + std::to_string(queued_);
  }

  // ---- what the machine does, and what must hold for it ----

  void SendHello() override {
    requests_.push_back([](auto& publisher) { publisher.Hello(); });
  }

  void SendRead(const control::Read& read) override {
    requests_.push_back([read](auto& publisher) { publisher.Read(read); });
    if (read.max == 0) return;
    EXPECT_LE(read.max, control::kMaxReadBytes);
    if (outstanding_.empty()) last_replay_ = now_;
    if (now_ - last_replay_ >= seconds(2)) outstanding_.clear();  // given up for lost
    outstanding_.insert(read.request);
    EXPECT_LE(outstanding_.size(), std::size_t{control::kMaxReadsOutstanding}) << Where();
  }

  void Subscribe(const std::string& stream) override {
    EXPECT_EQ(stream, "demo");
    EXPECT_FALSE(subscribed_) << Where();
    subscribed_ = true;
    requests_.push_back([](auto& publisher) { publisher.Subscribed(true); });
  }
  void Unsubscribe(const std::string&) override {
    EXPECT_TRUE(subscribed_) << Where();
    subscribed_ = false;
    requests_.push_back([](auto& publisher) { publisher.Subscribed(false); });
  }

  bool Attach(const control::Welcome&, Position) override { return false; }
  void Detach() override { FAIL() << "it never attached"; }
  void Deliver(const BlockHeader& header, Position from, SharedBytes bytes) override {
    ASSERT_TRUE(begun_);
    ASSERT_FALSE(end_told_) << "bytes behind the end; " << Where();
    ASSERT_EQ(header.session, expected_session_) << Where();
    ASSERT_EQ(from, expected_) << "neither a hole nor a repetition; " << Where();
    ASSERT_GT(bytes.size(), 0U);
    const Session& of = SessionOf(header.session);
    ASSERT_LE(from + bytes.size(), of.bytes.size());
    ASSERT_TRUE(std::equal(bytes.bytes.begin(), bytes.bytes.end(),
                           AsBytes(of.bytes).subspan(from).begin()))
        << "bytes from " << from << " were changed; " << Where();
    if (!something_came_) {
      ASSERT_TRUE(of.IsBoundary(from)) << "begins inside a record, at " << from;
    }
    something_came_ = true;
    expected_ += bytes.size();
    delivered_ += bytes.size();
    queued_ += bytes.size();
  }

  void ReportGap(const Gap& gap) override {
    ASSERT_TRUE(begun_);
    ASSERT_EQ(gap.session, expected_session_) << Where();
    ASSERT_EQ(gap.from, expected_) << Where();
    ASSERT_GT(gap.to, gap.from) << Where();
    const Session& of = SessionOf(gap.session);
    ASSERT_LE(gap.to, of.bytes.size()) << "never published; " << Where();
    ASSERT_FALSE(gap.reason.empty());
    const std::uint64_t first = of.RecordsBefore(gap.from);
    if (gap.records_known &&
        (gap.first_record != first || gap.records != of.RecordsBefore(gap.to) - first)) {
      ++wrong_records_;
    }
    something_came_ = true;
    expected_ = gap.to;
    lost_ += gap.bytes();
  }

  void Begin(const control::Welcome& welcome, Position position) override {
    ASSERT_EQ(welcome.session, session().id) << "a publisher that is no more";
    const bool again = begun_ && welcome.session == expected_session_;
    if (again) {
      ASSERT_FALSE(something_came_) << "the beginning moved after the first byte; " << Where();
      ASSERT_GT(position, expected_);
    }
    if (plan_.from == Beginning::Kind::kPosition && sessions_.size() == 1) {
      ASSERT_GE(position, asked_position_);
      if (publisher_->journal().tail() == 0) {
        ASSERT_LE(position, BoundaryFrom(asked_position_))
            << "a record was passed over silently";
      }
    }
    if (expected_session_ != 0 && !again && changed_) {
      ASSERT_EQ(position, 0U) << "a session that is followed is read from its first byte";
    }
    begun_ = true;
    end_told_ = false;
    expected_session_ = welcome.session;
    expected_ = position;
  }

  void SessionContinues(const control::Welcome& now, SessionId old,
                        Position position) override {
    (void)now, (void)old, (void)position;
  }
  void SessionChanged(const control::Welcome& now, SessionId old) override {
    outstanding_.clear();  // the counting of credit begins anew with each session
    ASSERT_TRUE(plan_.follow);
    ASSERT_EQ(old, expected_session_ == 0 ? old : expected_session_);
    ASSERT_EQ(now.session, session().id);
    ASSERT_LE(machine_->known_head(), now.head);
    changed_ = true;
    something_came_ = false;
  }

  void ModeChanged(control::Mode) override {}

  void EndOfStream(Position position, std::uint32_t) override {
    ASSERT_TRUE(begun_);
    ASSERT_FALSE(end_told_);
    const Session& of = SessionOf(machine_->session());
    ASSERT_TRUE(of.ended) << "an end that was never announced; " << Where();
    ASSERT_EQ(position, of.bytes.size());
    if (!something_came_ && !of.IsBoundary(expected_)) expected_ = position;  // no record began
    ASSERT_EQ(expected_, position)
        << "the end came before everything was delivered or reported";
    end_told_ = true;
  }

  void Remake() override {
    remake_ = true;
    subscribed_ = false;
  }

  void Fail(int exit_status, const std::string& text) override {
    ASSERT_EQ(exit_status, kExitUnreachable) << text;
    ASSERT_FALSE(plan_.follow) << text;
    ASSERT_GT(sessions_.size(), 1U) << text;
    failed_ = true;
  }

  std::mt19937_64 random_;
  Plan plan_;
  std::int64_t wall_ns_ = 1'700'000'000'000'000'000;
  TimePoint now_{std::chrono::hours(1)};
  TimePoint started_ = now_;
  TimePoint last_head_ = now_;
  TimePoint last_tick_ = now_;
  TimePoint ended_at_{};
  TimePoint partition_until_{};
  TimePoint stalled_until_{};
  std::list<Session> sessions_;
  std::optional<SimulatedPublisher> publisher_;
  std::deque<std::function<void(SimulatedPublisher&)>> requests_;
  std::uint64_t to_produce_ = 0;
  std::optional<ModeMachine> machine_;
  std::set<std::uint64_t> outstanding_;
  TimePoint last_replay_{};
  std::uint64_t queued_ = 0;
  std::uint64_t said_queued_ = 0;
  Position asked_position_ = 0;
  SessionId expected_session_ = 0;
  Position expected_ = 0;
  bool begun_ = false;
  bool something_came_ = false;
  bool changed_ = false;
  bool end_told_ = false;
  bool subscribed_ = false;
  bool remake_ = false;
  bool failed_ = false;
  bool over_ = false;
  int wrong_records_ = 0;
  std::uint64_t lost_ = 0;
  std::uint64_t delivered_ = 0;
};

/// PIPEDUP_SEED=N runs that one alone, PIPEDUP_SEEDS=N runs as many.
std::pair<std::uint64_t, std::uint64_t> Seeds() {
  if (const char* one = std::getenv("PIPEDUP_SEED")) {
    const std::uint64_t seed = std::strtoull(one, nullptr, 10);
    return {seed, seed + 1};
  }
  const char* many = std::getenv("PIPEDUP_SEEDS");
  // Pure and single-threaded: the plain build does the rest.
  constexpr std::uint64_t kSeeds = kSanitized ? 100 : 600;
  return {1, 1 + (many == nullptr ? kSeeds : std::strtoull(many, nullptr, 10))};
}

TEST(ModesModel, DeliveredAndReportedLostAreTogetherWhatWasProduced) {
  std::uint64_t delivered = 0;
  std::uint64_t lost = 0;
  ModeCounters seen;
  const auto [first, last] = Seeds();
  for (std::uint64_t seed = first; seed < last; ++seed) {
    SCOPED_TRACE("PIPEDUP_SEED=" + std::to_string(seed));
    Simulation simulation(seed);
    simulation.Run();
    ASSERT_FALSE(HasFailure());
    delivered += simulation.delivered();
    lost += simulation.lost();
    seen.live_gaps += simulation.counters().live_gaps;
    seen.catch_ups += simulation.counters().catch_ups;
    seen.remakes += simulation.counters().remakes;
    seen.duplicate_bytes += simulation.counters().duplicate_bytes;
  }
  if (last - first < 600) return;
  // The seeds are worth nothing if they do not lead everywhere.
  EXPECT_GT(delivered, 100 * kMiB);
  EXPECT_GT(lost, kMiB);
  EXPECT_GT(seen.live_gaps, 1000U);
  EXPECT_GT(seen.catch_ups, 500U);
  EXPECT_GT(seen.remakes, 10U);
  EXPECT_GT(seen.duplicate_bytes, kMiB / 8);
}

TEST(ModesModel, GapsTellTheirRecordsExactly) {
  const auto [first, last] = Seeds();
  int wrong = 0;
  std::uint64_t example = 0;
  for (std::uint64_t seed = first; seed < std::min(last, first + 300); ++seed) {
    SCOPED_TRACE("PIPEDUP_SEED=" + std::to_string(seed));
    Simulation simulation(seed);
    simulation.Run();
    ASSERT_FALSE(HasFailure());
    if (simulation.wrong_records() > 0 && wrong == 0) example = seed;
    wrong += simulation.wrong_records();
  }
  EXPECT_EQ(wrong, 0)
      << "gaps with a wrong first_record or records; the first with PIPEDUP_SEED=" << example;
}

}  // namespace
}  // namespace pipedup
