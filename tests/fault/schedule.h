// A schedule: who runs, what is produced, and which faults happen when, all of it told from a
// seed. Moments are counts of bytes, not times, so that a seed does much the same everywhere.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "fault/features.h"

namespace pipedup::test {

enum class Kind : std::uint8_t {
  kKillPublisher,
  kKillSubscriber,
  kKillConsumer,
  kStop,
  kNetwork,
  kCorrupt,
  kDisk,
  kCrashPoint,
  kPowerLoss,
  kDamage,
  kMixed
};
inline constexpr std::size_t kKinds = 11;

std::string NameOf(Kind kind);  ///< "kill-publisher"
std::optional<Kind> KindOf(const std::string& name);
/// Why nothing of this kind can be run with these programs; "" if it can.
std::string WhyNot(Kind kind, const Features& features);

struct PublisherPlan {
  bool wait = false;  ///< --slow wait
  std::size_t retain_mib = 1;
  char delimiter = '\n';  ///< or NUL
  bool journal = false;   ///< on disk
  std::string fsync = "1s";
  bool checksum = true;
  std::string rules = {};                 ///< FAULT_RULES of its first life
  std::optional<std::size_t> space = {};  ///< FAULT_SPACE of its first life
};

struct SubscriberPlan {
  enum class Output : std::uint8_t { kFile, kPipe, kConsumer, kExec };
  Output output = Output::kFile;
  std::size_t consumers = 0;  ///< kConsumer: 1
  bool restart = false;       ///< of consumers
  bool attach = false;
  bool proxied = false;
  bool cursor = false;
  bool follow = false;
  std::string rules = {};  ///< FAULT_RULES of its first life
};

/// What is done to the files of a program that is down.
struct Damage {
  enum class Where : std::uint8_t { kLog, kIndex, kLabel, kCursor };
  Where where = Where::kLog;
  bool truncate = false;  ///< else one bit is flipped
  double file = 0;        ///< which of the files: 0 the oldest, 1 the newest
  double at = 0;          ///< where in it: 0 its first byte, 1 its last
};

struct Fault {
  enum class What : std::uint8_t {
    kKill,
    kPowerLoss,  ///< kill, and forget what was not synced
    kStop,       ///< SIGSTOP, or a pipe that is not read
    kCut,
    kHalfOpen,
    kDelay,
    kThrottle,
    kReorder,
    kCorrupt
  };
  enum class Whom : std::uint8_t { kPublisher, kSubscriber, kConsumer };

  What what = What::kKill;
  Whom whom = Whom::kPublisher;
  std::size_t subscriber = 0;
  std::size_t consumer = 0;
  // When it happens: once so much was produced, or delivered to the subscriber.
  bool by_delivered = false;
  std::uint64_t at = 0;
  // When it is over: once so much more was produced or nothing moves any more, and so much time
  // has gone by.
  std::uint64_t bytes = 0;
  std::chrono::milliseconds time{0};
  bool reset = false;                 ///< kCut: RST, else FIN
  std::size_t amount = 0;             ///< ms of delay, bytes a second, or corrupted pieces
  std::optional<Damage> damage = {};  ///< kKill: before it is started again
};

struct Schedule {
  Kind kind = Kind::kMixed;
  std::uint64_t seed = 0;
  PublisherPlan publisher = {};
  std::vector<SubscriberPlan> subscribers = {};
  std::size_t bytes = 0;           ///< that are produced
  std::size_t rate = 0;            ///< bytes a second; 0: as fast as they are read
  bool restart_publisher = false;  ///< without a journal it begins another session
  /// The end of the stream does not wait for the end of the last fault.
  bool end_under_fault = false;
  std::vector<Fault> faults = {};

  /// A subscriber that has no cursor is killed.
  bool SomebodyBeginsAnew() const;
  /// All of it, for people.
  std::string Words() const;
};

Schedule MakeSchedule(Kind kind, std::uint64_t seed, const Features& features);

}  // namespace pipedup::test
