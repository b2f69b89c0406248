// A schedule in words, for whoever has to find out what went wrong.
#include <sstream>

#include "fault/schedule.h"

namespace pipedup::test {
namespace {

using What = Fault::What;
using Whom = Fault::Whom;

std::string Describe(const PublisherPlan& plan) {
  std::ostringstream text;
  text << "publisher: --slow " << (plan.wait ? "wait" : "drop") << " --retain "
       << plan.retain_mib << "MiB --records " << (plan.delimiter == '\0' ? "nul" : "lines");
  if (plan.journal) text << " --journal --fsync " << plan.fsync;
  if (!plan.checksum) text << " --no-checksum";
  if (plan.space) text << ", files may grow by " << *plan.space << " bytes";
  if (!plan.rules.empty()) text << ", files: " << plan.rules;
  return text.str();
}

std::string Describe(const SubscriberPlan& plan) {
  static const char* const kOutputs[] = {"stdout is a file", "stdout is a pipe", "one consumer",
                                         "several consumers"};
  std::ostringstream text;
  text << kOutputs[static_cast<std::size_t>(plan.output)];
  if (plan.consumers > 1) text << " (" << plan.consumers << ")";
  if (plan.consumers > 0 && plan.restart) text << ", started again";
  text << (plan.attach ? ", may read the journal" : ", over the network");
  if (plan.proxied) text << " through a proxy";
  if (plan.cursor) text << ", --cursor";
  if (plan.follow) text << ", --follow";
  if (!plan.rules.empty()) text << ", files: " << plan.rules;
  return text.str();
}

std::string Describe(const Damage& damage) {
  static const char* const kWhere[] = {"a segment", "an index", "the label", "the cursor"};
  std::ostringstream text;
  text << (damage.truncate ? "cut off " : "flip a bit of ")
       << kWhere[static_cast<std::size_t>(damage.where)] << " (" << damage.file << ") at "
       << damage.at;
  return text.str();
}

std::string Describe(const Fault& fault) {
  static const char* const kWhat[] = {"kill -9",
                                      "crash of the machine",
                                      "stop",
                                      "cut the connections",
                                      "half-open",
                                      "delay",
                                      "throttle",
                                      "reorder connections",
                                      "corrupt 1 byte in"};
  std::ostringstream text;
  text << "when " << fault.at << " bytes were "
       << (fault.by_delivered ? "delivered to subscriber " + std::to_string(fault.subscriber)
                              : "produced")
       << ": " << kWhat[static_cast<std::size_t>(fault.what)];
  switch (fault.what) {
    case What::kCut:
      text << (fault.reset ? " (RST)" : " (FIN)");
      break;
    case What::kDelay:
      text << " by " << fault.amount << " ms";
      break;
    case What::kThrottle:
      text << " to " << fault.amount << " bytes/s";
      break;
    case What::kCorrupt:
      text << " " << fault.amount << " pieces";
      break;
    default:
      break;
  }
  if (fault.whom == Whom::kPublisher) text << ", publisher";
  if (fault.whom == Whom::kSubscriber) text << ", subscriber " << fault.subscriber;
  if (fault.whom == Whom::kConsumer) {
    text << ", consumer " << fault.consumer << " of subscriber " << fault.subscriber;
  }
  if (fault.bytes > 0 || fault.time.count() > 0) {
    text << ", for " << fault.bytes << " bytes and " << fault.time.count() << " ms";
  }
  if (fault.damage) text << ", then " << Describe(*fault.damage);
  return text.str();
}

}  // namespace

std::string Schedule::Words() const {
  std::ostringstream text;
  text << NameOf(kind) << ", seed " << seed << ": " << bytes << " bytes";
  if (rate > 0) text << " at " << rate << " bytes/s";
  if (end_under_fault) text << "; the stream may end while a fault lasts";
  text << "\n  " << Describe(publisher);
  if (restart_publisher) text << "; started again when it dies";
  for (std::size_t i = 0; i < subscribers.size(); ++i) {
    text << "\n  subscriber " << i << ": " << Describe(subscribers[i]);
  }
  for (const Fault& fault : faults) text << "\n  " << Describe(fault);
  return text.str() + "\n";
}

}  // namespace pipedup::test
