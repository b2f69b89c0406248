#include "fault/place.h"

#include <sys/wait.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <set>
#include <sstream>

#include "fault/features.h"
#include "support/programs.h"

namespace pipedup::test {
namespace {

namespace fs = std::filesystem;

bool IsSegmentFile(const std::string& name) {
  return name.ends_with(".log") || name.ends_with(".idx");
}

/// Of a journal: its segments in pairs, whose it is, and who holds it.
std::string StrangersIn(const std::string& journal) {
  for (const std::string& path : FilesBelow(journal)) {
    const fs::path file(path);
    const std::string name = file.filename();
    if (name == "lock" || name == "journal" || name == "journal.lapsed") continue;
    if (!IsSegmentFile(name)) return path;
    const char* const other = name.ends_with(".log") ? ".idx" : ".log";
    if (!fs::exists(fs::path(file).replace_extension(other))) {
      return path + ", without its " + other;
    }
  }
  return "";
}

}  // namespace

Place::Place() {
  for (const std::string& path : {runtime(), journal(), shadow()}) fs::create_directory(path);
  fs::permissions(runtime(), fs::perms::owner_all);
  fs::permissions(journal(), fs::perms::owner_all);
}

std::string Place::OfSubscriber(std::size_t index) const {
  const std::string path = root() + "/sub" + std::to_string(index);
  fs::create_directory(path);
  return path;
}

std::string Place::Leftovers() const {
  const Outcome sweep = RunToEnd(
      {.argv = {PublisherBinary(), "--bind", "ipc://" + root() + "/sweep", "--linger", "0s"},
       .environment = {{"XDG_RUNTIME_DIR", runtime()}}});
  if (sweep.status != 0) return "the next publisher does not start";
  const auto in_memory = FilesBelow(runtime());
  if (!in_memory.empty()) return "left in memory: " + in_memory.front();
  if (std::string stranger = StrangersIn(journal()); !stranger.empty()) {
    return "left in the journal: " + stranger;
  }
  for (const auto& entry : fs::directory_iterator(root())) {
    const std::string name = entry.path().filename();
    if (!name.starts_with("sub")) continue;
    for (const std::string& path : FilesBelow(entry.path())) {
      const std::string file = fs::path(path).filename();
      if (!file.starts_with("life") && file != "cursor") return "left behind: " + path;
    }
  }
  return "";
}

Variables FileFaults(const std::string& directory, const std::string& rules,
                     const Variables& more, const Place& place) {
  if (rules.empty() && more.empty()) return {};
  Variables made = more;
  made["FAULT_DIR"] = directory;
  made["FAULT_RULES"] = rules;
  made["FAULT_TRACE"] = place.trace();
  made["LD_PRELOAD"] = FaultfsLibrary();
  // The sanitizer's runtime wants to be first; behind this library it is as good.
  const char* const asan = std::getenv("ASAN_OPTIONS");
  made["ASAN_OPTIONS"] =
      (asan != nullptr ? std::string(asan) + ":" : "") + "verify_asan_link_order=0";
  return made;
}

std::uint16_t OwnPortPair() {
  static std::mutex mutex;
  static std::set<int> given;
  const std::lock_guard lock(mutex);
  while (true) {
    const std::uint16_t port = FreePortPair();
    if (given.contains(port) || given.contains(port + 1)) continue;
    // After very many runs there are others that are free again.
    constexpr std::size_t kMost = 8000;
    if (given.size() > kMost) given.clear();
    given.insert({port, port + 1});
    return port;
  }
}

bool HasEnded(pid_t pid) {
  siginfo_t ended{};
  const auto id = static_cast<id_t>(pid);
  // ECHILD: it was waited for already.
  return ::waitid(P_PID, id, &ended, WEXITED | WNOHANG | WNOWAIT) != 0 || ended.si_pid == pid;
}

std::string OthersInGroup(pid_t pid) {
  std::string found;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator("/proc", error)) {
    const std::string name = entry.path().filename();
    if (std::isdigit(static_cast<unsigned char>(name[0])) == 0) continue;
    if (name == std::to_string(pid)) continue;
    // "PID (NAME) STATE PARENT GROUP ...", and NAME may hold anything.
    std::ifstream file(entry.path() / "stat");
    std::string stat;
    std::getline(file, stat, '\0');
    const std::size_t behind_name = stat.rfind(')');
    if (behind_name == std::string::npos) continue;
    std::istringstream fields(stat.substr(behind_name + 1));
    char state = '?';
    pid_t parent = 0;
    pid_t group = 0;
    fields >> state >> parent >> group;
    if (group == pid && state != 'Z' && state != 'X') found += " " + name;
  }
  return found;
}

}  // namespace pipedup::test
