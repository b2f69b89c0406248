#include "fault/schedule.h"

#include <algorithm>
#include <array>
#include <random>
#include <utility>

#include "support/content.h"

namespace pipedup::test {
namespace {

using Output = SubscriberPlan::Output;
using What = Fault::What;
using Whom = Fault::Whom;
using std::chrono::milliseconds;

constexpr std::array<const char*, kKinds> kNames = {
    "kill-publisher", "kill-subscriber", "kill-consumer", "stop",   "network", "corrupt",
    "disk",           "crash-point",     "power-loss",    "damage", "mixed"};

/// Draws everything in a fixed order: what a feature decides is drawn in any case, so that a
/// seed means much the same with and without it.
class Maker {
 public:
  Maker(Kind kind, std::uint64_t seed, const Features& features)
      : features_(features), random_(seed * kKinds + static_cast<std::uint64_t>(kind)) {
    made_.kind = kind;
    made_.seed = seed;
  }

  Schedule Make() {
    MakePublisher();
    MakeSubscribers();
    made_.bytes = kMiB / 2 + Below(Chance(0.4) ? 10 * kMiB : 4 * kMiB);
    made_.rate = Pick<std::size_t>({0, 20 * kMiB, 8 * kMiB});
    MakeFaults(made_.kind);
    std::stable_sort(made_.faults.begin(), made_.faults.end(),
                     [](const Fault& a, const Fault& b) { return a.at < b.at; });
    return std::move(made_);
  }

 private:
  std::size_t Below(std::size_t bound) {
    return std::uniform_int_distribution<std::size_t>(0, bound - 1)(random_);
  }
  bool Chance(double probability) { return std::bernoulli_distribution(probability)(random_); }
  double Part() { return std::uniform_real_distribution<double>(0, 1)(random_); }
  template <typename T>
  T Pick(std::vector<T> of) {
    return of[Below(of.size())];
  }
  bool Is(Kind kind) const { return made_.kind == kind; }

  void MakePublisher() {
    PublisherPlan& plan = made_.publisher;
    plan.wait = Chance(0.3);
    plan.retain_mib = Pick<std::size_t>({1, 1, 1, 1, 2, 8});
    plan.delimiter = Chance(0.75) ? '\n' : '\0';
    const bool needed = Is(Kind::kPowerLoss) || Is(Kind::kDamage);
    plan.journal = (Chance(0.6) || needed) && features_.journal;
    plan.fsync = Pick<std::string>({"never", "20ms", "1s", "always"});
    if (Is(Kind::kPowerLoss) && Chance(0.5)) plan.fsync = "always";
  }

  void MakeSubscribers() {
    const auto count = Pick<std::size_t>({1, 1, 2, 2, 3, 4});
    for (std::size_t i = 0; i < count; ++i) {
      SubscriberPlan plan;
      plan.output = Pick<Output>(
          {Output::kFile, Output::kFile, Output::kPipe, Output::kConsumer, Output::kExec});
      plan.attach = Chance(0.35);
      plan.proxied = Chance(0.35);
      plan.cursor = Chance(0.6) && features_.cursor;
      plan.restart = Chance(0.65);
      const std::size_t several = 2 + Below(2);
      if (i == 0) Suit(plan);
      // Consumers have a place of their own in the stream, which no cursor knows.
      if (plan.output == Output::kConsumer) plan.consumers = 1;
      if (plan.output == Output::kExec) plan.consumers = several;
      if (plan.consumers > 0) plan.cursor = false;
      made_.subscribers.push_back(plan);
    }
  }

  /// The first subscriber is one that the fault can happen to.
  void Suit(SubscriberPlan& plan) {
    const bool consumers = plan.output == Output::kConsumer || plan.output == Output::kExec;
    if (Is(Kind::kNetwork) || Is(Kind::kCorrupt)) {
      plan.proxied = true;
      plan.attach = false;
    }
    if (Is(Kind::kKillConsumer) && !consumers) plan.output = Output::kConsumer;
    if (Is(Kind::kKillSubscriber) && consumers && Chance(0.5)) plan.output = Output::kFile;
  }

  // ---- faults ----

  void MakeFaults(Kind kind) {
    const std::size_t count = 1 + Below(3);
    switch (kind) {
      case Kind::kKillPublisher:
        return KillPublisher(made_.publisher.journal ? count : 1);
      case Kind::kKillSubscriber:
        for (std::size_t i = 0; i < count; ++i) Add(What::kKill, Whom::kSubscriber);
        return;
      case Kind::kKillConsumer:
        for (std::size_t i = 0; i < count; ++i) KillConsumer();
        return;
      case Kind::kStop:
        made_.end_under_fault = Chance(0.3);
        for (std::size_t i = 0; i < count; ++i) Stop();
        return;
      case Kind::kNetwork:
        made_.end_under_fault = Chance(0.3);
        for (std::size_t i = 0; i < count; ++i) Network();
        return;
      case Kind::kCorrupt:
        for (std::size_t i = 0; i < count; ++i) Corrupt();
        return;
      case Kind::kDisk:
        return Disk();
      case Kind::kCrashPoint:
        return CrashPoint();
      case Kind::kPowerLoss:
        made_.restart_publisher = true;
        for (std::size_t i = 0; i < count; ++i) Add(What::kPowerLoss, Whom::kPublisher);
        // What a killed one has left in the page cache is the next one's to make safe.
        if (Chance(0.4)) Add(What::kKill, Whom::kPublisher);
        return;
      case Kind::kDamage:
        made_.restart_publisher = true;
        for (std::size_t i = 0; i < count; ++i) DamageOne();
        return;
      case Kind::kMixed:
        return Mix(count + 1);
    }
  }

  void Mix(std::size_t count) {
    const bool file = features_.file_faults && Chance(0.4);
    if (file) Chance(0.5) ? Disk() : CrashPoint();
    for (std::size_t i = file ? 1 : 0; i < count; ++i) {
      MakeFaults(Pick<Kind>({Kind::kKillSubscriber, Kind::kKillConsumer, Kind::kStop,
                             Kind::kNetwork, Kind::kCorrupt}));
    }
    if (made_.publisher.journal && Chance(0.6)) MakeFaults(Kind::kKillPublisher);
    if (made_.faults.size() > 5) made_.faults.resize(5);
    made_.end_under_fault = false;
  }

  Fault& Add(What what, Whom whom) {
    Fault fault{.what = what, .whom = whom};
    fault.subscriber = Below(made_.subscribers.size());
    fault.by_delivered = Chance(0.4);
    fault.at = made_.bytes / 50 + Below(made_.bytes * 3 / 4);
    made_.faults.push_back(fault);
    return made_.faults.back();
  }

  void KillPublisher(std::size_t count) {
    made_.restart_publisher = made_.publisher.journal || Chance(0.6);
    // Whoever does not follow has nothing to read from the next session.
    if (!made_.publisher.journal && made_.restart_publisher) {
      for (SubscriberPlan& plan : made_.subscribers) {
        plan.follow = Chance(0.7) && plan.consumers == 0;
      }
    }
    for (std::size_t i = 0; i < count; ++i) Add(What::kKill, Whom::kPublisher);
  }

  void KillConsumer() {
    Fault& fault = Add(What::kKill, Whom::kConsumer);
    for (std::size_t i = 0; i < made_.subscribers.size(); ++i) {
      const std::size_t at = (fault.subscriber + i) % made_.subscribers.size();
      const std::size_t consumers = made_.subscribers[at].consumers;
      if (consumers == 0) continue;
      fault.subscriber = at;
      fault.consumer = Below(consumers);
      return;
    }
    made_.faults.pop_back();
  }

  void Stop() {
    Fault& fault =
        Add(What::kStop, Pick<Whom>({Whom::kPublisher, Whom::kSubscriber, Whom::kConsumer}));
    const SubscriberPlan& plan = made_.subscribers[fault.subscriber];
    // A file is nobody who could be stopped.
    if (fault.whom == Whom::kConsumer && plan.output == Output::kFile) {
      fault.whom = Whom::kSubscriber;
    }
    if (plan.consumers > 0) fault.consumer = Below(plan.consumers);
    Last(fault);
  }

  void Last(Fault& fault) {
    fault.bytes = Below(made_.bytes);
    fault.time = milliseconds(Pick<int>({20, 100, 300, 900}));
  }

  /// A subscriber that has a proxy in front of it.
  std::size_t Proxied(std::size_t from) {
    for (std::size_t i = 0; i < made_.subscribers.size(); ++i) {
      const std::size_t at = (from + i) % made_.subscribers.size();
      if (made_.subscribers[at].proxied) return at;
    }
    made_.subscribers[from].proxied = true;
    return from;
  }

  void Network() {
    Fault& fault = Add(Pick<What>({What::kCut, What::kCut, What::kHalfOpen, What::kDelay,
                                   What::kThrottle, What::kReorder}),
                       Whom::kSubscriber);
    fault.subscriber = Proxied(fault.subscriber);
    fault.reset = Chance(0.5);
    Last(fault);
    if (fault.what == What::kDelay) fault.amount = 5 + Below(150);
    if (fault.what == What::kThrottle) fault.amount = kMiB / 4 + Below(2 * kMiB);
    // Long enough to be noticed, or so short that nobody does.
    if (fault.what == What::kHalfOpen) fault.time = milliseconds(Pick<int>({200, 1800}));
  }

  void Corrupt() {
    Fault& fault = Add(What::kCorrupt, Whom::kSubscriber);
    fault.subscriber = Proxied(fault.subscriber);
    fault.amount = 1 + Below(4);
  }

  static std::string Rule(const std::string& call, const std::string& glob, std::size_t first,
                          std::size_t last, const std::string& action) {
    return call + " " + glob + " " + std::to_string(first) + " " + std::to_string(last) + " " +
           action + ";";
  }

  void Disk() {
    const std::size_t first = 1 + Below(25);
    const std::size_t last = first + Pick<std::size_t>({0, 0, 5, 1000});
    auto call = Pick<std::string>({"write", "write", "write", "create", "sync"});
    const auto glob = Pick<std::string>({"*.log", "*.log", "*.idx", "*"});
    auto action = Pick<std::string>({"enospc", "eio", "erofs", "short"});
    if (call == "sync" && !made_.publisher.journal) call = "write";
    if (call != "write" && action == "short") action = "enospc";
    const bool by_space = Chance(0.35);
    const std::size_t space = kMiB / 4 + Below(4 * kMiB);
    // One that cannot be made is a failure at once, and no fault of a run.
    const std::size_t nth = 4 + Below(30);
    const auto cursor_action = Pick<std::string>({"enospc", "eio", "erofs", "short"});
    if (by_space) {
      made_.publisher.space = space;
    } else {
      made_.publisher.rules +=
          Rule(call, glob, call == "create" ? first / 8 + 4 : first, last, action);
    }
    for (SubscriberPlan& plan : made_.subscribers) {
      if (plan.cursor) plan.rules += Rule("write", "cursor*", nth, nth + 3, cursor_action);
    }
  }

  void CrashPoint() {
    struct Point {
      const char* call;
      const char* glob;
      std::size_t most;
    };
    const auto point = Pick<Point>({{"create", "*.log", 6},
                                    {"create", "*.idx", 6},
                                    {"write", "*.log", 60},
                                    {"write", "*.log", 60},
                                    {"write", "*.idx", 60},
                                    {"write", "*.idx", 60},
                                    {"close", "*.log", 4},
                                    {"sync", "*.log", 8},
                                    {"unlink", "*.log", 3},
                                    {"unlink", "*.idx", 3}});
    const std::size_t nth = 1 + Below(point.most);
    auto action = Pick<std::string>({"kill-before", "kill-after", "kill-after", "kill-torn"});
    if (std::string(point.call) != "write" && action == "kill-torn") action = "kill-after";
    const auto of_cursor = Pick<Point>(
        {{"write", "cursor*", 40}, {"rename", "cursor*", 3}, {"create", "cursor*", 3}});
    const std::size_t nth_of_cursor = 1 + Below(of_cursor.most);
    const bool cursor = Chance(0.5) && made_.subscribers[0].cursor;
    if (cursor) {
      made_.subscribers[0].rules +=
          Rule(of_cursor.call, of_cursor.glob, nth_of_cursor, nth_of_cursor, action);
      return;
    }
    // Without a journal it is the same publisher that dies: nothing begins anew.
    made_.restart_publisher = made_.publisher.journal;
    made_.publisher.rules += Rule(point.call, point.glob, nth, nth, action);
  }

  void DamageOne() {
    Damage damage;
    using Where = Damage::Where;
    damage.where =
        Pick<Where>({Where::kLog, Where::kLog, Where::kIndex, Where::kLabel, Where::kCursor});
    // Bytes that have lost their checksum with an index are taken as they are: what is changed
    // in them after that, nobody can find.
    if (damage.where == Where::kIndex && damages_bytes_) damage.where = Where::kLog;
    if (damage.where == Where::kLog && damages_index_) damage.where = Where::kIndex;
    damages_bytes_ |= damage.where == Where::kLog;
    damages_index_ |= damage.where == Where::kIndex;
    damage.truncate = Chance(0.4);
    damage.file = Chance(0.5) ? 1 : Part();
    damage.at = Part();
    const bool cursor = damage.where == Damage::Where::kCursor;
    Fault& fault = Add(What::kKill, cursor ? Whom::kSubscriber : Whom::kPublisher);
    fault.damage = damage;
  }

  const Features& features_;
  std::mt19937_64 random_;
  bool damages_bytes_ = false;
  bool damages_index_ = false;
  Schedule made_;
};

}  // namespace

std::string NameOf(Kind kind) {
  return kNames[static_cast<std::size_t>(kind)];
}

std::optional<Kind> KindOf(const std::string& name) {
  const auto* const found = std::find(kNames.begin(), kNames.end(), name);
  if (found == kNames.end()) return std::nullopt;
  return static_cast<Kind>(found - kNames.begin());
}

std::string WhyNot(Kind kind, const Features& features) {
  const bool files =
      kind == Kind::kDisk || kind == Kind::kCrashPoint || kind == Kind::kPowerLoss;
  if (files && !features.file_faults) return "faults of files need Linux with glibc";
  const bool journal = kind == Kind::kPowerLoss || kind == Kind::kDamage;
  if (journal && !features.journal) return "pipedup-pub has no --journal";
  return "";
}

bool Schedule::SomebodyBeginsAnew() const {
  return std::any_of(faults.begin(), faults.end(), [this](const Fault& fault) {
    return fault.what == What::kKill && fault.whom == Whom::kSubscriber &&
           !subscribers[fault.subscriber].cursor;
  });
}

Schedule MakeSchedule(Kind kind, std::uint64_t seed, const Features& features) {
  return Maker(kind, seed, features).Make();
}

}  // namespace pipedup::test
