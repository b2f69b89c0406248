#include "fault/run.h"

#include <signal.h>

#include <algorithm>
#include <memory>
#include <set>
#include <stdexcept>

#include "base/sanitizer.h"
#include "fault/account.h"
#include "fault/machine.h"
#include "fault/publisher_host.h"
#include "fault/seat.h"

namespace pipedup::test {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using What = Fault::What;
using Whom = Fault::Whom;

constexpr auto kPatienceOfRun = kSanitized ? seconds(150) : seconds(50);
constexpr auto kTick = milliseconds(2);
constexpr auto kLook = milliseconds(20);    // at what programs said
constexpr auto kStill = milliseconds(150);  // nothing moves any more
// A moment that has not come when nothing has moved for so long does not come.
constexpr auto kNoMore = milliseconds(600);
constexpr auto kSettle = seconds(6);

/// A fault and how far it is.
struct Course {
  const Fault* fault;
  enum class State : std::uint8_t { kWaits, kLasts, kOver } state = State::kWaits;
  Clock::time_point began = {};
  std::uint64_t produced = 0;  // when it began
};

class Run {
 public:
  Run(const Schedule& schedule, const Broken& broken)
      : schedule_(schedule), host_(schedule, broken, place_) {
    for (std::size_t i = 0; i < schedule.subscribers.size(); ++i) {
      seats_.push_back(std::make_unique<Seat>(schedule, broken, place_, i, host_.port()));
    }
    for (const Fault& fault : schedule.faults) courses_.push_back({.fault = &fault});
  }

  RunResult Execute() {
    try {
      host_.Start();
      for (const auto& seat : seats_) seat->Start();
      moved_ = Clock::now();
      const auto deadline = moved_ + kPatienceOfRun;
      while (!Over()) {
        if (Clock::now() > deadline) {
          Violate("it does not come to an end");
          break;
        }
        Step(Clock::now());
        std::this_thread::sleep_for(kTick);
      }
      Check();
    } catch (const std::exception& error) {
      Violate(error.what());
    }
    if (!result_.violations.empty()) result_.report = Report();
    return std::move(result_);
  }

 private:
  void Violate(const std::string& what) { result_.violations.push_back(what); }
  void Note(const std::string& what) { notes_.push_back(what); }

  void Step(Clock::time_point now) {
    if (!publisher_over_) host_.Feed(now);
    for (const auto& seat : seats_) seat->Drain();
    Watch(now);
    for (Course& course : courses_) Advance(course, now);
    TendPublisher();
    for (const auto& seat : seats_) TendSeat(*seat, now);
    if (now - looked_ > kLook) {
      looked_ = now;
      EndInput(now);
      EndFollowers(now);
    }
  }

  /// Notices whether anything moves.
  void Watch(Clock::time_point now) {
    std::uint64_t sum = host_.produced();
    for (const auto& seat : seats_) sum += seat->delivered();
    if (sum != sum_) moved_ = now;
    sum_ = sum;
  }

  // ---- faults ----

  void Advance(Course& course, Clock::time_point now) {
    const Fault& fault = *course.fault;
    switch (course.state) {
      case Course::State::kWaits: {
        const std::uint64_t reached =
            fault.by_delivered ? seats_[fault.subscriber]->delivered() : total_produced();
        if (reached >= fault.at) {
          course = {&fault, Course::State::kLasts, now, host_.produced()};
          Begin(course);
        } else if (host_.all_produced() && now - moved_ > kNoMore) {
          course.state = Course::State::kOver;
          ++result_.not_reached;
        }
        break;
      }
      case Course::State::kLasts: {
        const bool enough =
            host_.produced() >= course.produced + fault.bytes || now - moved_ > kStill;
        if (enough && now - course.began >= fault.time) End(course);
        break;
      }
      case Course::State::kOver:
        break;
    }
  }

  /// A restart takes the producer back, and no moment with it.
  std::uint64_t total_produced() {
    return most_produced_ = std::max(most_produced_, host_.produced());
  }

  void Begin(Course& course) {
    const Fault& fault = *course.fault;
    Seat& seat = *seats_[fault.subscriber];
    ++result_.faults;
    Note("fault after " + std::to_string(host_.produced()) + " bytes");
    switch (fault.what) {
      case What::kKill:
      case What::kPowerLoss:
        Kill(fault);
        course.state = Course::State::kOver;
        break;
      case What::kStop:
        Signal(fault, SIGSTOP);
        break;
      case What::kCut:
        seat.proxy()->CutAll(fault.reset ? Proxy::Cut::kReset : Proxy::Cut::kFin);
        break;
      case What::kHalfOpen:
        seat.proxy()->HalfOpen(true);
        break;
      case What::kDelay:
        for (const auto direction : {Proxy::Direction::kUp, Proxy::Direction::kDown}) {
          seat.proxy()->Delay(direction, milliseconds(fault.amount));
        }
        break;
      case What::kThrottle:
        seat.proxy()->Throttle(Proxy::Direction::kDown, fault.amount);
        break;
      case What::kReorder:
        // Connections are only made when there are none.
        seat.proxy()->Reorder();
        seat.proxy()->CutAll(Proxy::Cut::kReset);
        break;
      case What::kCorrupt:
        seat.proxy()->Corrupt(Proxy::Direction::kDown, fault.amount);
        break;
    }
  }

  void End(Course& course) {
    const Fault& fault = *course.fault;
    Seat& seat = *seats_[fault.subscriber];
    course.state = Course::State::kOver;
    moved_ = Clock::now();  // what was held has to have a chance to move
    switch (fault.what) {
      case What::kStop:
        Signal(fault, SIGCONT);
        break;
      case What::kHalfOpen:
        seat.proxy()->HalfOpen(false);
        break;
      case What::kDelay:
        for (const auto direction : {Proxy::Direction::kUp, Proxy::Direction::kDown}) {
          seat.proxy()->Delay(direction, Duration(0));
        }
        break;
      case What::kThrottle:
        seat.proxy()->Throttle(Proxy::Direction::kDown, 0);
        break;
      default:
        break;
    }
  }

  void Signal(const Fault& fault, int number) {
    Seat& seat = *seats_[fault.subscriber];
    if (fault.whom == Whom::kPublisher) {
      if (!publisher_over_) host_.program().Signal(number);
    } else if (!seat.running()) {
      return;
    } else if (fault.whom == Whom::kSubscriber) {
      seat.Signal(number);
    } else {
      seat.SignalConsumer(fault.consumer, number);
    }
  }

  void Kill(const Fault& fault) {
    if (fault.whom == Whom::kConsumer) {
      Signal(fault, SIGKILL);
    } else if (fault.whom == Whom::kSubscriber) {
      if (!seats_[fault.subscriber]->running()) return;
      seats_[fault.subscriber]->Kill();
      if (fault.damage) damage_of_seat_ = fault.damage;
    } else if (!publisher_over_) {
      if (fault.what == What::kPowerLoss) death_ = PublisherHost::Death::kMachine;
      if (fault.damage) damages_.push_back(*fault.damage);
      publisher_killed_ = true;
      host_.program().Signal(SIGKILL);
    }
  }

  // ---- who has ended ----

  void TendPublisher() {
    if (publisher_over_ || !HasEnded(host_.program().pid())) return;
    publisher_status_ = host_.program().Wait();
    const bool killed = publisher_status_ == 128 + SIGKILL &&
                        (publisher_killed_ || !schedule_.publisher.rules.empty());
    if (!killed) {
      publisher_over_ = true;
      publisher_left_ = Clock::now();
      return;
    }
    publisher_died_ = true;
    if (!schedule_.restart_publisher) {
      publisher_over_ = true;
      publisher_left_ = Clock::now();
      return;
    }
    std::uint64_t told = 0;
    for (const auto& seat : seats_) told = std::max(told, seat->Reached(host_.session()));
    // The goodbye of one that has left may have died with the publisher: the next one waits.
    for (const auto& seat : seats_) {
      if (!seat->running()) gone_before_.insert(seat.get());
    }
    host_.StartAgain(death_, told, damages_);
    if (host_.sessions().size() > 1) another_session_ = true;
    damages_.clear();
    death_ = PublisherHost::Death::kProcess;
    publisher_killed_ = false;
    input_ended_ = false;
    moved_ = Clock::now();
  }

  void TendSeat(Seat& seat, Clock::time_point now) {
    if (!seat.HasJustEnded()) return;
    seat.FinishLife(publisher_over_ || publisher_died_ || another_session_);
    if (!seat.WasKilled()) return;
    if (damage_of_seat_) {
      if (const auto done = Inflict(*damage_of_seat_, seat.directory())) {
        Note(*done);
        cursor_damaged_ = true;
        seat.NoteDamage();
      }
      damage_of_seat_.reset();
    }
    // There is nobody left whom it could read from.
    if (publisher_over_) return;
    seat.Start();
    moved_ = now;
  }

  // ---- the end ----

  /// Every subscriber reads, or has no reason to.
  bool Settled() const {
    return std::all_of(seats_.begin(), seats_.end(), [](const auto& seat) {
      return !seat->running() || seat->Said("begin");
    });
  }

  void EndInput(Clock::time_point now) {
    if (input_ended_ || publisher_over_ || !host_.all_produced()) return;
    if (waits_since_ == Clock::time_point()) waits_since_ = now;
    const bool faults_over = std::all_of(courses_.begin(), courses_.end(), [](const Course& c) {
      return c.state == Course::State::kOver;
    });
    const bool settled = Settled() || now - waits_since_ > kSettle;
    if (!schedule_.end_under_fault && !(faults_over && settled)) return;
    host_.End();
    input_ended_ = true;
  }

  /// Whoever follows has to be told when it is over.
  void EndFollowers(Clock::time_point now) {
    if (!publisher_over_) return;
    const bool late = now - publisher_left_ > seconds(4);
    for (const auto& seat : seats_) {
      if (!seat->running() || !seat->plan().follow || now - moved_ < milliseconds(300))
        continue;
      if (seat->AtEnd()) {
        seat->Signal(SIGTERM);
      } else if (late || publisher_died_) {
        seat->CutShort();
      }
    }
  }

  bool Over() const {
    return publisher_over_ && std::none_of(seats_.begin(), seats_.end(),
                                           [](const auto& seat) { return seat->running(); });
  }

  // ---- what came of it ----

  void Check() {
    // Those of files happen by themselves.
    if (FileSize(place_.trace()) > 0) ++result_.faults;
    CheckPublisher();
    Checks checks{.delimiter = schedule_.publisher.delimiter};
    checks.records_may_be_unknown =
        std::ranges::any_of(host_.damages(), [](const std::string& damage) {
          return damage.find(" journal at ") != std::string::npos ||
                 damage.find(" label at ") != std::string::npos;
        });
    const bool disk = !schedule_.publisher.rules.empty() || schedule_.publisher.space;
    const bool waits =
        schedule_.publisher.wait && !publisher_died_ && !disk && !cursor_damaged_;
    for (std::size_t i = 0; i < seats_.size(); ++i) {
      const Seat& seat = *seats_[i];
      for (const std::string& wrong : seat.violations()) Violate(Name(i) + wrong);
      if (seat.lives().empty()) continue;
      checks.nothing_may_be_lost = waits && !WasLetGo(seat);
      const std::string wrong =
          CheckSubscriber(seat.plan(), seat.lives(), host_.sessions(), checks);
      if (!wrong.empty()) Violate(Name(i) + wrong);
      for (const Life& life : seat.lives()) {
        result_.lost |= HasSaid(life, "gap");
      }
    }
    if (Over()) {
      const std::string left = place_.Leftovers();
      if (!left.empty()) Violate(left);
    }
  }

  bool WasLetGo(const Seat& seat) {
    const std::vector<Json> events = host_.program().events("let-go");
    return std::any_of(events.begin(), events.end(), [&seat](const Json& event) {
      return event.at("message").get<std::string>().find(seat.name()) != std::string::npos;
    });
  }

  /// Whoever was killed confirms nothing, and a confirmation may be cut off on its way.
  bool EndMayBeUnconfirmed() {
    for (const Json& event : host_.program().events("unconfirmed")) {
      const std::string message = event.at("message");
      const bool excused = std::any_of(seats_.begin(), seats_.end(), [&](const auto& seat) {
        return message.find(seat->name()) != std::string::npos &&
               (LinkFailed(*seat) || WasCutShort(*seat) || gone_before_.contains(seat.get()));
      });
      if (!excused) return false;
    }
    return true;
  }

  static bool WasCutShort(const Seat& seat) {
    return std::any_of(seat.lives().begin(), seat.lives().end(), [](const Life& life) {
      return life.killed || life.cut_short || (life.status != 0 && life.status != 3);
    });
  }

  bool LinkFailed(const Seat& seat) const {
    return std::any_of(courses_.begin(), courses_.end(), [&](const Course& course) {
      const What what = course.fault->what;
      const bool link = what == What::kCut || what == What::kHalfOpen ||
                        what == What::kReorder || what == What::kCorrupt;
      return link && seats_[course.fault->subscriber].get() == &seat;
    });
  }

  void CheckPublisher() {
    for (const std::string& wrong : host_.violations()) Violate(wrong);
    if (!publisher_over_) return;
    const bool died_for_good = publisher_died_ && !schedule_.restart_publisher;
    const bool right = died_for_good ? publisher_status_ == 128 + SIGKILL
                                     : publisher_status_ == 0 ||
                                           (publisher_status_ == 3 && EndMayBeUnconfirmed());
    if (!right) Violate("the publisher's status is " + std::to_string(publisher_status_));
  }

  static std::string Name(std::size_t i) { return "subscriber " + std::to_string(i) + ": "; }

  std::string Report() const {
    std::string text = schedule_.Words();
    for (const std::string& note : notes_) text += "  " + note + "\n";
    for (const std::string& damage : host_.damages()) text += "  " + damage + "\n";
    if (const std::string trace = ReadFile(place_.trace()); !trace.empty()) {
      text += "---- faults of files\n" + trace;
    }
    text += host_.log();
    for (const auto& seat : seats_) text += seat->log();
    return text;
  }

  const Schedule& schedule_;
  const Place place_;
  PublisherHost host_;
  std::vector<std::unique_ptr<Seat>> seats_;
  std::vector<Course> courses_;
  RunResult result_;
  std::vector<std::string> notes_;

  std::uint64_t sum_ = 0;
  std::uint64_t most_produced_ = 0;
  Clock::time_point moved_{};
  Clock::time_point looked_{};
  Clock::time_point waits_since_{};  // for the end of the stream
  bool input_ended_ = false;

  // Of the publisher.
  bool publisher_killed_ = false;  // and not reaped yet
  bool publisher_died_ = false;    // at some time
  bool publisher_over_ = false;
  bool another_session_ = false;
  int publisher_status_ = kStillRunning;
  Clock::time_point publisher_left_{};
  PublisherHost::Death death_ = PublisherHost::Death::kProcess;
  std::vector<Damage> damages_;

  // Of subscribers.
  std::set<const Seat*> gone_before_;  // when a publisher that had died was started again
  bool cursor_damaged_ = false;
  std::optional<Damage> damage_of_seat_;
};

}  // namespace

RunResult RunSchedule(const Schedule& schedule, const Broken& broken) {
  return Run(schedule, broken).Execute();
}

}  // namespace pipedup::test
