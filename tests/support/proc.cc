#include "support/proc.h"

#include <cctype>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>
#include <system_error>

#include "support/files.h"
#include "support/process.h"

namespace pipedup::test {

std::vector<Kin> ChildrenOf(pid_t parent) {
  std::vector<Kin> found;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator("/proc", error)) {
    const std::string name = entry.path().filename();
    if (std::isdigit(static_cast<unsigned char>(name[0])) == 0) continue;
    // "PID (NAME) STATE PARENT ...", and NAME may hold anything.
    std::ifstream file(entry.path() / "stat");
    std::string stat;
    std::getline(file, stat, '\0');
    const std::size_t behind_name = stat.rfind(')');
    if (behind_name == std::string::npos) continue;
    std::istringstream fields(stat.substr(behind_name + 1));
    Kin kin{.pid = static_cast<pid_t>(std::stol(name))};
    pid_t its_parent = 0;
    fields >> kin.state >> its_parent;
    if (its_parent == parent) found.push_back(kin);
  }
  return found;
}

std::size_t DescriptorsOf(pid_t process) {
  std::error_code error;
  const std::filesystem::directory_iterator all("/proc/" + std::to_string(process) + "/fd",
                                                error);
  return error ? 0 : static_cast<std::size_t>(std::distance(begin(all), end(all)));
}

std::uint64_t AnonymousBytes(pid_t process) {
  std::ifstream status("/proc/" + std::to_string(process) + "/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("RssAnon:")) return std::stoull(line.substr(8)) * 1024;
  }
  return 0;
}

bool MayUnshare(const char* option) {
  try {
    Process process({.argv = {"unshare", option, "--fork", "true"}});
    return process.Wait() == 0;
  } catch (const std::system_error&) {
    return false;  // there is no such program
  }
}

}  // namespace pipedup::test
