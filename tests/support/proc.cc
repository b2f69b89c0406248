#include "support/proc.h"

#include <cctype>
#include <filesystem>
#include <fstream>
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

bool MayUnshare(const char* option) {
  try {
    Process process({.argv = {"unshare", option, "--fork", "true"}});
    return process.Wait() == 0;
  } catch (const std::system_error&) {
    return false;  // there is no such program
  }
}

}  // namespace pipedup::test
