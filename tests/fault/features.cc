#include "fault/features.h"

#include "support/programs.h"

namespace pipedup::test {
namespace {

/// --journal-group is another option: the name has to end there.
bool HasOption(const std::string& help, const std::string& option) {
  for (std::size_t at = help.find(option); at != std::string::npos;
       at = help.find(option, at + 1)) {
    const std::size_t behind = at + option.size();
    if (behind == help.size() || help[behind] == ' ' || help[behind] == '\n') return true;
  }
  return false;
}

std::string HelpOf(const std::string& program) {
  return RunToEnd({.argv = {program, "--help"}}).out;
}

}  // namespace

std::string FaultfsLibrary() {
#ifdef PIPEDUP_FAULTFS
  return PIPEDUP_FAULTFS;
#else
  return "";
#endif
}

std::string KeepBinary() {
  return PIPEDUP_KEEP;
}

const Features& GetFeatures() {
  static const Features features = [] {
    Features found;
    found.journal = HasOption(HelpOf(PublisherBinary()), "--journal");
    found.cursor = HasOption(HelpOf(SubscriberBinary()), "--cursor");
    found.file_faults = !FaultfsLibrary().empty();
    return found;
  }();
  return features;
}

std::string LeftOut(const Features& features) {
  std::string text;
  const auto add = [&text](const char* what) {
    text += (text.empty() ? "left out: " : ", ") + std::string(what);
  };
  if (!features.journal) add("a journal on disk (pipedup-pub has no --journal)");
  if (!features.cursor) add("resumption (pipedup-sub has no --cursor)");
  if (!features.file_faults) add("faults of files (only on Linux with glibc)");
  return text;
}

}  // namespace pipedup::test
