// The signature property for a stream that several publishers have, by seed: whatever they
// drop, lose, and whichever of them die, lag or come back, what was delivered and what was
// reported lost are together what was produced, in order and once; and nothing is lost that one
// of them could still have given.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <functional>
#include <memory>

#include "base/sanitizer.h"
#include "simulated_publisher.h"
#include "subscribe/modes.h"
#include "subscribe/shared_stream.h"

namespace pipedup {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::uint64_t kMiB = 1024 * 1024;

struct Plan {
  std::size_t publishers = 2;
  Faults faults;
  std::uint64_t hold_bytes = 16 * kMiB;
  std::vector<std::uint64_t> retain_bytes;  ///< of each
  std::uint64_t produce_bytes = 4 * kMiB;
  std::uint64_t consumer_rate = 0;  ///< bytes for each ms; 0: whatever comes
  Beginning::Kind from = Beginning::Kind::kStart;
  double kill = 0;        ///< chance for each step that one dies, as long as another lives
  double partition = 0;   ///< that nothing of one arrives for some seconds
  std::uint64_t lag = 0;  ///< the later ones may be so many bytes behind
};

Plan MakePlan(std::mt19937_64& random) {
  const auto pick = [&](auto... values) {
    const std::array all{values...};
    return all[random() % all.size()];
  };
  Plan plan;
  plan.publishers = pick(2U, 2U, 3U);
  plan.faults.drop_live = pick(0.0, 0.0, 0.01, 0.1, 0.5);
  plan.faults.damage_live = pick(0.0, 0.0, 0.02);
  plan.faults.lose_answer = pick(0.0, 0.0, 0.05, 0.3);
  plan.faults.forget_member = pick(0.0, 0.0, 0.05);
  plan.hold_bytes = pick(5 * kMiB, 9 * kMiB, 16 * kMiB);
  for (std::size_t i = 0; i < plan.publishers; ++i) {
    plan.retain_bytes.push_back(pick(kMiB / 4, kMiB, 4 * kMiB, 64 * kMiB));
  }
  plan.produce_bytes = pick(std::uint64_t{1000}, kMiB / 3, 2 * kMiB, 7 * kMiB);
  plan.consumer_rate =
      pick(std::uint64_t{0}, std::uint64_t{0}, std::uint64_t{500}, std::uint64_t{20000});
  plan.from = pick(Beginning::Kind::kStart, Beginning::Kind::kStart, Beginning::Kind::kNow,
                   Beginning::Kind::kLast, Beginning::Kind::kAgo);
  plan.kill = pick(0.0, 0.002, 0.01);
  plan.partition = pick(0.0, 0.0, 0.002);
  plan.lag = pick(std::uint64_t{0}, std::uint64_t{1000}, kMiB / 2);
  return plan;
}

class SharedSimulation {
 public:
  explicit SharedSimulation(std::uint64_t seed) : random_(seed), plan_(MakePlan(random_)) {}

  void Run() {
    session_.id = 7;
    MakeText();
    for (std::size_t i = 0; i < plan_.publishers; ++i) sites_.push_back(MakeSite(i));
    FeedAll(random_() % (plan_.produce_bytes + 1));
    ModeOptions options;
    options.from.kind = plan_.from;
    options.hold_bytes = plan_.hold_bytes;
    if (plan_.from == Beginning::Kind::kLast) options.from.value = random_() % 200;
    if (plan_.from == Beginning::Kind::kAgo) options.from.value = random_() % 400'000'000;
    for (auto& site : sites_) {
      site->machine.emplace(options, *site);
      if (!shared_) {
        shared_ = site->machine->shared();
      } else {
        site->machine->Share(shared_);
      }
    }
    for (auto& site : sites_) site->machine->OnConnect(now_);
    while (!shared_->progress.ended && !testing::Test::HasFailure()) Step();
    if (testing::Test::HasFailure()) return;
    ASSERT_TRUE(end_told_);
    ASSERT_EQ(expected_, session_.bytes.size()) << Where();
    for (auto& site : sites_) {
      const bool joined = site->machine->state() != ModeMachine::State::kJoining;
      if (site->dead || !joined) continue;
      ASSERT_EQ(site->machine->state(), ModeMachine::State::kEnded) << "its publisher waits";
    }
  }

  std::uint64_t lost() const { return lost_; }
  std::uint64_t delivered() const { return delivered_; }
  int wrong_records() const { return wrong_records_; }
  int kills() const { return kills_; }
  ModeCounters counters() const {
    ModeCounters sum;
    for (const auto& site : sites_) sum += site->machine->counters();
    return sum;
  }
  /// Ranges asked for, by all machines together.
  std::uint64_t asked_bytes() const { return asked_bytes_; }

 private:
  /// A publisher, and the machine that reads it.
  struct Site final : public ModeActions {
    Site(SharedSimulation& s, std::size_t n) : of(s), number(n) {}
    SharedSimulation& of;
    std::size_t number;
    std::optional<SimulatedPublisher> publisher;
    std::optional<ModeMachine> machine;
    std::deque<std::function<void(SimulatedPublisher&)>> requests;
    Position fed = 0;
    TimePoint partition_until{};
    TimePoint last_head{};
    bool subscribed = false;
    bool remake = false;
    bool dead = false;

    void SendHello() override {
      requests.push_back([](auto& to) { to.Hello(); });
    }
    void SendRead(const control::Read& read) override {
      requests.push_back([read](auto& to) { to.Read(read); });
      of.asked_bytes_ += read.max;
    }
    void Subscribe(const std::string&) override {
      EXPECT_FALSE(subscribed) << of.Where();
      subscribed = true;
      requests.push_back([](auto& to) { to.Subscribed(true); });
    }
    void Unsubscribe(const std::string&) override {
      EXPECT_TRUE(subscribed) << of.Where();
      subscribed = false;
      requests.push_back([](auto& to) { to.Subscribed(false); });
    }
    bool Attach(const control::Welcome&, Position) override { return false; }
    void Detach() override { ADD_FAILURE() << "it never attached"; }
    void Deliver(const BlockHeader& header, Position from, SharedBytes bytes) override {
      of.Deliver(header, from, bytes);
    }
    void ReportGap(const Gap& gap) override { of.ReportGap(gap); }
    void Begin(const control::Welcome&, Position position) override { of.Begin(position); }
    void SessionChanged(const control::Welcome&, SessionId) override {
      ADD_FAILURE() << "there is one session";
    }
    void SessionContinues(const control::Welcome&, SessionId, Position) override {
      ADD_FAILURE() << "nobody has lost anything; " << of.Where();
    }
    void ModeChanged(control::Mode) override {}
    void StandsApart(const control::Welcome&) override { ADD_FAILURE(); }
    void EndOfStream(Position position, std::uint32_t) override {
      ASSERT_FALSE(of.end_told_);
      if (!of.something_came_) of.expected_ = position;
      ASSERT_EQ(position, of.expected_);
      ASSERT_EQ(position, of.session_.bytes.size());
      of.end_told_ = true;
    }
    void Remake() override {
      remake = true;
      subscribed = false;
    }
    void Fail(int, const std::string& text) override { ADD_FAILURE() << text; }
  };

  bool Chance(double p) { return std::uniform_real_distribution<double>(0, 1)(random_) < p; }

  std::unique_ptr<Site> MakeSite(std::size_t number) {
    auto site = std::make_unique<Site>(*this, number);
    site->publisher.emplace(session_, plan_.retain_bytes[number], plan_.faults, random_,
                            &wall_ns_);
    return site;
  }

  void MakeText() {
    while (session_.bytes.size() < plan_.produce_bytes) {
      session_.bytes.append(random_() % 50 == 0 ? random_() % 40000 : random_() % 120, 'x');
      session_.bytes += std::to_string(session_.bytes.size());
      session_.bytes += '\n';
    }
  }

  /// Everybody publishes the same bytes, cut as they like, each at its own pace.
  void FeedAll(std::uint64_t bytes) {
    produced_ = std::min<Position>(session_.bytes.size(), produced_ + bytes);
    for (auto& site : sites_) {
      const std::uint64_t lag = site->number == 0 ? 0 : random_() % (plan_.lag + 1);
      const Position to = produced_ == session_.bytes.size()
                              ? produced_
                              : produced_ - std::min<Position>(produced_, lag);
      while (site->fed < to) {
        const std::size_t length =
            std::min<std::size_t>(to - site->fed, random_() % 60'000 + 1);
        site->publisher->Copy(std::string_view(session_.bytes).substr(site->fed, length),
                              Chance(0.3));
        site->fed += length;
      }
    }
  }

  void Step() {
    const auto passed = milliseconds(1 + random_() % 20);
    now_ += passed;
    wall_ns_ += std::chrono::nanoseconds(passed).count();
    ASSERT_LT(now_ - started_, seconds(600)) << "no progress: " << Where();
    if (produced_ < session_.bytes.size() && Chance(0.5)) FeedAll(random_() % 60'000);
    const bool tick = now_ - last_tick_ >= milliseconds(50);
    if (tick) last_tick_ = now_;
    for (auto& site : sites_) StepSite(*site, tick);
    if (queued_ > 0) {
      const auto ms = static_cast<std::uint64_t>(passed.count());
      queued_ -=
          std::min(queued_, plan_.consumer_rate == 0 ? queued_ : plan_.consumer_rate * ms);
      for (auto& site : sites_) {
        site->machine->OnQueued(queued_, now_);
        AfterCall(*site);
      }
    }
  }

  void StepSite(Site& site, bool tick) {
    const bool all_fed = site.fed == session_.bytes.size();
    if (all_fed && !site.publisher->ended() && Chance(0.1)) site.publisher->End();
    if (now_ - started_ > seconds(60)) site.publisher->set_faults({});
    if (now_ - site.last_head > milliseconds(400)) {
      site.last_head = now_;
      site.publisher->SendHead();
    }
    const auto alive =
        std::count_if(sites_.begin(), sites_.end(), [](auto& one) { return !one->dead; });
    if (!site.dead && alive > 1 && Chance(plan_.kill)) {
      site.dead = true;
      ++kills_;
    }
    if (!site.dead && site.partition_until < now_ && Chance(plan_.partition)) {
      site.partition_until = now_ + milliseconds(random_() % 8000);
    }
    if (site.dead || site.partition_until >= now_) {
      Disconnect(site);
    } else {
      Exchange(site);
    }
    if (!tick) return;
    site.machine->OnTick(now_);
    AfterCall(site);
  }

  void Exchange(Site& site) {
    while (!site.requests.empty() && Chance(0.8)) {
      const auto request = std::move(site.requests.front());
      site.requests.pop_front();
      request(*site.publisher);
    }
    while (Chance(0.8) && site.publisher->Serve()) {
    }
    while (!site.publisher->live.empty() && Chance(0.9)) {
      const SimulatedPublisher::LiveMessage message = std::move(site.publisher->live.front());
      site.publisher->live.pop_front();
      if (message.damaged) {
        site.machine->OnDamaged(now_);
      } else {
        site.machine->OnLive(message.header, message.payload, now_);
      }
      AfterCall(site);
    }
    while (!site.publisher->answers.empty() && Chance(0.9)) {
      const SimulatedPublisher::Answer answer = std::move(site.publisher->answers.front());
      site.publisher->answers.pop_front();
      if (const auto* welcome = std::get_if<control::Welcome>(&answer)) {
        site.machine->OnWelcome(*welcome, now_);
      } else if (const auto* done = std::get_if<control::Done>(&answer)) {
        site.machine->OnDone(*done, now_);
      } else if (const auto* error = std::get_if<control::Error>(&answer)) {
        site.machine->OnError(error->code, error->reason, now_);
      } else {
        const auto& block = std::get<SimulatedPublisher::ReplayBlock>(answer);
        site.machine->OnReplay(block.header, block.payload, now_);
      }
      AfterCall(site);
    }
  }

  void Disconnect(Site& site) {
    site.publisher->Disconnect();
    site.requests.clear();
    if (site.subscribed) {
      site.requests.push_back([](auto& publisher) { publisher.Subscribed(true); });
    }
  }

  /// What the reader does after each message.
  void AfterCall(Site& site) {
    CheckLoss();
    if (site.remake) {
      site.remake = false;
      Disconnect(site);
      site.machine->OnConnect(now_);
    }
    shared_->Settle(now_);
    CheckLoss();
  }

  /// Right when something is lost: nobody who is heard may have any of it.
  void CheckLoss() {
    const std::optional<Gap>& gap = shared_->progress.pending_gap;
    const Position from = gap ? std::max(gap->from, gap_seen_) : 0;
    const Position to = gap ? gap->to : 0;
    gap_seen_ = to;
    if (!gap || from >= to) return;
    for (const auto& site : sites_) {
      if (!site->machine->IsHeard(now_) || site->dead) continue;
      const Journal& journal = site->publisher->journal();
      const Position first = std::max(from, journal.tail());
      ASSERT_GE(first, std::min(to, journal.head()))
          << "publisher " << site->number << " still has " << first << "; lost " << from << "-"
          << to << "; " << Where();
    }
  }

  void Begin(Position position) {
    if (something_came_) {
      ADD_FAILURE() << "the beginning moved after the first byte; " << Where();
    }
    begun_ = true;
    expected_ = position;
  }

  void Deliver(const BlockHeader& header, Position from, const SharedBytes& bytes) {
    ASSERT_TRUE(begun_);
    ASSERT_FALSE(end_told_);
    ASSERT_EQ(header.session, session_.id);
    ASSERT_EQ(from, expected_) << "neither a hole nor a repetition; " << Where();
    ASSERT_GT(bytes.size(), 0U);
    ASSERT_LE(from + bytes.size(), session_.bytes.size());
    ASSERT_TRUE(std::equal(bytes.bytes.begin(), bytes.bytes.end(),
                           AsBytes(session_.bytes).subspan(from).begin()));
    if (!something_came_) {
      ASSERT_TRUE(session_.IsBoundary(from)) << from;
    }
    something_came_ = true;
    expected_ += bytes.size();
    delivered_ += bytes.size();
    queued_ += bytes.size();
  }

  void ReportGap(const Gap& gap) {
    ASSERT_TRUE(begun_);
    ASSERT_EQ(gap.from, expected_) << Where();
    ASSERT_GT(gap.to, gap.from);
    const std::uint64_t first = session_.RecordsBefore(gap.from);
    if (gap.records_known &&
        (gap.first_record != first || gap.records != session_.RecordsBefore(gap.to) - first)) {
      ++wrong_records_;
    }
    something_came_ = true;
    expected_ = gap.to;
    lost_ += gap.bytes();
  }

  std::string Where() const {
    std::string text = "position " + std::to_string(shared_->progress.position) + " of " +
                       std::to_string(session_.bytes.size());
    for (const auto& site : sites_) {
      text += "; " + std::to_string(site->number) + (site->dead ? " dead" : "") + " state " +
              std::to_string(static_cast<int>(site->machine->state())) + " head " +
              std::to_string(site->machine->known_head()) + " tail " +
              std::to_string(site->publisher->journal().tail());
    }
    return text;
  }

  std::mt19937_64 random_;
  Plan plan_;
  Session session_;
  std::int64_t wall_ns_ = 1'700'000'000'000'000'000;
  TimePoint now_{std::chrono::hours(1)};
  TimePoint started_ = now_;
  TimePoint last_tick_ = now_;
  std::vector<std::unique_ptr<Site>> sites_;
  std::shared_ptr<SharedStream> shared_;
  Position produced_ = 0;
  Position expected_ = 0;
  Position gap_seen_ = 0;
  std::uint64_t queued_ = 0;
  bool begun_ = false;
  bool something_came_ = false;
  bool end_told_ = false;
  int wrong_records_ = 0;
  int kills_ = 0;
  std::uint64_t lost_ = 0;
  std::uint64_t delivered_ = 0;
  std::uint64_t asked_bytes_ = 0;
};

/// PIPEDUP_SEED=N runs that one alone, PIPEDUP_SEEDS=N runs as many.
std::pair<std::uint64_t, std::uint64_t> Seeds() {
  if (const char* one = std::getenv("PIPEDUP_SEED")) {
    const std::uint64_t seed = std::strtoull(one, nullptr, 10);
    return {seed, seed + 1};
  }
  const char* many = std::getenv("PIPEDUP_SEEDS");
  constexpr std::uint64_t kSeeds = kSanitized ? 100 : 600;
  return {1, 1 + (many == nullptr ? kSeeds : std::strtoull(many, nullptr, 10))};
}

TEST(SharedModel, NothingIsLostThatOneOfSeveralPublishersStillHas) {
  std::uint64_t delivered = 0;
  std::uint64_t lost = 0;
  int kills = 0;
  int wrong = 0;
  ModeCounters seen;
  const auto [first, last] = Seeds();
  for (std::uint64_t seed = first; seed < last; ++seed) {
    SCOPED_TRACE("PIPEDUP_SEED=" + std::to_string(seed));
    SharedSimulation simulation(seed);
    simulation.Run();
    ASSERT_FALSE(testing::Test::HasFailure());
    delivered += simulation.delivered();
    lost += simulation.lost();
    kills += simulation.kills();
    wrong += simulation.wrong_records();
    seen += simulation.counters();
  }
  EXPECT_EQ(wrong, 0) << "gaps with a wrong first_record or records";
  if (last - first < 600) return;
  // The seeds are worth nothing if they do not lead everywhere.
  EXPECT_GT(delivered, 100 * kMiB);
  EXPECT_GT(lost, kMiB);
  EXPECT_GT(kills, 100);
  EXPECT_GT(seen.live_gaps, 1000U);
  EXPECT_GT(seen.duplicate_bytes, 50 * kMiB);
}

}  // namespace
}  // namespace pipedup
