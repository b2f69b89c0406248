// The harness must be able to fail: programs that are broken on purpose, one for each kind of
// fault and each thing that is looked at. Every schedule is run with the right programs, too.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "fault/features.h"
#include "fault/run.h"
#include "support/content.h"

namespace pipedup::test {
namespace {

using std::chrono::milliseconds;

/// One subscriber that writes to a file, and no fault yet.
Schedule Plain(Kind kind) {
  Schedule schedule{.kind = kind, .seed = 4711};
  schedule.bytes = 3 * kMiB;
  schedule.rate = 16 * kMiB;
  schedule.publisher.retain_mib = 8;
  schedule.subscribers.emplace_back();
  return schedule;
}

Schedule With(Schedule schedule, Fault fault) {
  schedule.faults.push_back(fault);
  return schedule;
}

Schedule PublisherIsKilled() {
  // In the middle of a segment, which has 1 MiB.
  constexpr std::size_t kMiddle = 2 * kMiB + kMiB / 2;
  return With(Plain(Kind::kKillPublisher), {.what = Fault::What::kKill, .at = kMiddle});
}

Schedule OnDisk(Schedule schedule, const std::string& fsync) {
  schedule.publisher.journal = true;
  schedule.publisher.fsync = fsync;
  schedule.restart_publisher = true;
  return schedule;
}

/// Nothing reaches the subscriber while much more than is retained is produced, and for so long
/// that it has given the connection up, with what is under way there (--dead-after and 2 s).
Schedule RetentionPasses() {
  Schedule schedule = With(Plain(Kind::kNetwork), {.what = Fault::What::kHalfOpen,
                                                   .whom = Fault::Whom::kSubscriber,
                                                   .at = kMiB,
                                                   .bytes = 6 * kMiB,
                                                   .time = milliseconds(3500)});
  schedule.bytes = 8 * kMiB;
  schedule.publisher.retain_mib = 1;
  schedule.subscribers[0].proxied = true;
  return schedule;
}

/// Right with right programs, and a violation that says `what` with broken ones.
void ExpectCaught(const Schedule& schedule, const Broken& broken, const std::string& what) {
  const RunResult right = RunSchedule(schedule);
  EXPECT_TRUE(right.violations.empty()) << right.violations.front() << "\n" << right.report;
  const RunResult wrong = RunSchedule(schedule, broken);
  ASSERT_FALSE(wrong.violations.empty()) << "nobody noticed";
  EXPECT_TRUE(std::any_of(
      wrong.violations.begin(), wrong.violations.end(),
      [&what](const std::string& text) { return text.find(what) != std::string::npos; }))
      << wrong.violations.front() << "\n"
      << wrong.report;
}

TEST(HarnessCatches, AVanishedPublisherThatIsTakenForTheEnd) {
  ExpectCaught(PublisherIsKilled(), {.wrapper = "\"$@\"; s=$?; [ $s = 4 ] && s=0; exit $s"},
               "its status is 0");
}

TEST(HarnessCatches, AnOutputThatLosesAWriteWhenASubscriberIsKilled) {
  const Schedule schedule =
      With(Plain(Kind::kKillSubscriber),
           {.what = Fault::What::kKill, .whom = Fault::Whom::kSubscriber, .at = kMiB});
  ExpectCaught(schedule, {.subscriber_rules = "write *.out0 3 3 skip;"}, "byte was delivered");
}

TEST(HarnessCatches, APipeToAConsumerThatLosesAWrite) {
  Schedule schedule =
      With(Plain(Kind::kKillConsumer),
           {.what = Fault::What::kKill, .whom = Fault::Whom::kConsumer, .at = 2 * kMiB});
  schedule.subscribers[0].output = SubscriberPlan::Output::kConsumer;
  schedule.subscribers[0].consumers = 1;
  schedule.subscribers[0].restart = true;
  ExpectCaught(schedule, {.subscriber_rules = "write pipe:* 5 5 skip;"}, "byte was delivered");
}

TEST(HarnessCatches, AWriteThatIsRepeatedWhenASubscriberIsStopped) {
  const Schedule schedule = With(Plain(Kind::kStop), {.what = Fault::What::kStop,
                                                      .whom = Fault::Whom::kSubscriber,
                                                      .at = kMiB,
                                                      .bytes = kMiB});
  ExpectCaught(schedule, {.subscriber_rules = "write *.out0 3 3 repeat;"},
               "another byte was delivered");
}

TEST(HarnessCatches, AGapThatIsNotReported) {
  ExpectCaught(RetentionPasses(), {.subscriber_rules = "say gap 1 1000 skip;"},
               "byte was delivered");
}

TEST(HarnessCatches, DamageOnTheWayThatNobodyLooksFor) {
  Schedule schedule = With(Plain(Kind::kCorrupt), {.what = Fault::What::kCorrupt,
                                                   .whom = Fault::Whom::kSubscriber,
                                                   .at = kMiB,
                                                   .amount = 3});
  schedule.subscribers[0].proxied = true;
  ExpectCaught(schedule, {.no_checksum = true}, "another byte was delivered");
}

TEST(HarnessCatches, ASegmentThatDoesNotGetWhatIsWrittenToIt) {
  Schedule schedule = Plain(Kind::kDisk);
  schedule.publisher.rules = "write *.log 30 40 enospc;";
  ExpectCaught(schedule, {.publisher_rules = "write *.log 3 3 skip;"},
               "the publisher's status is 135");
}

TEST(HarnessCatches, ACrashPointThatIsTakenForTheEnd) {
  Schedule schedule = Plain(Kind::kCrashPoint);
  schedule.publisher.rules = "write *.idx 20 20 kill-after;";
  ExpectCaught(schedule, {.wrapper = "\"$@\"; s=$?; [ $s = 4 ] && s=0; exit $s"},
               "its status is 0");
}

TEST(HarnessCatches, AMixtureWithAnOutputThatLosesAWrite) {
  Schedule schedule = RetentionPasses();
  schedule.kind = Kind::kMixed;
  schedule.faults.push_back(
      {.what = Fault::What::kStop, .whom = Fault::Whom::kPublisher, .at = kMiB / 2});
  ExpectCaught(schedule, {.subscriber_rules = "write *.out0 2 2 skip;"}, "byte was delivered");
}

TEST(HarnessCatches, AProcessThatIsLeft) {
  ExpectCaught(Plain(Kind::kStop), {.wrapper = "\"$@\"; s=$?; sleep 60 2> /dev/null & exit $s"},
               "processes are left");
}

TEST(HarnessCatches, AFileThatIsLeft) {
  ExpectCaught(Plain(Kind::kStop),
               {.wrapper = "\"$@\"; s=$?; : > \"$XDG_RUNTIME_DIR/left\"; exit $s"},
               "left in memory");
}

// ---- what needs a journal on disk, or a cursor ----

#define NEEDS(feature, option) \
  if (!GetFeatures().feature) GTEST_SKIP() << "there is no " option

TEST(HarnessCatches, ARecoveryThatLosesTheTail) {
  NEEDS(journal, "--journal");
  ExpectCaught(OnDisk(PublisherIsKilled(), "1s"), {.lost_tail = 300'000},
               "subscribers had been given bytes");
}

TEST(HarnessCatches, AnFsyncThatIsNone) {
  NEEDS(journal, "--journal");
  const Schedule schedule =
      OnDisk(With(Plain(Kind::kPowerLoss), {.what = Fault::What::kPowerLoss, .at = 2 * kMiB}),
             "always");
  const RunResult right = RunSchedule(schedule);
  EXPECT_TRUE(right.violations.empty()) << right.violations.front() << "\n" << right.report;
  const RunResult wrong = RunSchedule(schedule, {.publisher_rules = "sync * 1 1000000 skip;"});
  EXPECT_FALSE(wrong.violations.empty()) << "nobody noticed";
}

TEST(HarnessCatches, ADamagedSegmentWhoseGapIsNotReported) {
  NEEDS(journal, "--journal");
  Schedule schedule = OnDisk(RetentionPasses(), "1s");
  schedule.kind = Kind::kDamage;
  schedule.publisher.retain_mib = 8;
  schedule.faults[0].bytes = 4 * kMiB;
  // While nothing arrives, so that it has to be read from the damaged journal.
  Fault kill{.what = Fault::What::kKill, .at = 4 * kMiB};
  kill.damage = Damage{.where = Damage::Where::kLog, .file = 0.5, .at = 0.5};
  schedule.faults.push_back(kill);
  ExpectCaught(schedule, {.subscriber_rules = "say gap 1 1000 skip;"}, "byte was delivered");
}

TEST(HarnessCatches, ACursorThatIsNotNoted) {
  NEEDS(cursor, "--cursor");
  Schedule schedule =
      With(Plain(Kind::kKillSubscriber),
           {.what = Fault::What::kKill, .whom = Fault::Whom::kSubscriber, .at = 2 * kMiB});
  schedule.subscribers[0].output = SubscriberPlan::Output::kPipe;
  schedule.subscribers[0].cursor = true;
  ExpectCaught(schedule,
               {.subscriber_rules = "write cursor* 4 1000000 skip;rename cursor* 2 1000000 "
                                    "skip;"},
               "");
}

}  // namespace
}  // namespace pipedup::test
