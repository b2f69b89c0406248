#include "support/terminal.h"

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <system_error>

namespace pipedup::test {

Terminal::Terminal() : screen_(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC)) {
  std::array<char, 64> name{};
  if (!screen_ || ::grantpt(screen_.get()) != 0 || ::unlockpt(screen_.get()) != 0 ||
      ::ptsname_r(screen_.get(), name.data(), name.size()) != 0) {
    throw std::system_error(errno, std::generic_category(), "posix_openpt");
  }
  name_ = name.data();
  terminal_ = UniqueFd(::open(name_.c_str(), O_RDWR | O_NOCTTY | O_CLOEXEC));
}

void Terminal::SetSize(unsigned short columns, unsigned short rows) const {
  winsize size{};
  size.ws_col = columns;
  size.ws_row = rows;
  ::ioctl(terminal_.get(), TIOCSWINSZ, &size);
}

void Terminal::Type(std::string_view keys) const {
  if (::write(screen_.get(), keys.data(), keys.size()) != static_cast<ssize_t>(keys.size())) {
    throw std::system_error(errno, std::generic_category(), "write to the terminal");
  }
}

termios Terminal::settings() const {
  termios now{};
  ::tcgetattr(terminal_.get(), &now);
  return now;
}

bool Terminal::Shows(std::string_view written) const {
  std::string expected;
  for (const char byte : written) {
    if (byte == '\n') expected += '\r';
    expected += byte;
  }
  return Read(expected.size()) == expected;
}

bool Terminal::ShowsEventually(const std::function<bool(const std::string& all)>& test) {
  const auto deadline = Clock::now() + kPatience;
  while (!test(shown_)) {
    const Duration left = deadline - Clock::now();
    if (left <= Duration(0)) return false;
    shown_ += ReadSome(64 * 1024, left);
  }
  return true;
}

std::string Terminal::ReadSome(std::size_t most, Duration patience) const {
  pollfd item{screen_.get(), POLLIN, 0};
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(patience).count();
  if (::poll(&item, 1, static_cast<int>(ms)) != 1) return "";
  std::string text(most, '\0');
  const ssize_t n = ::read(screen_.get(), text.data(), text.size());
  text.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
  return text;
}

std::string Terminal::Read(std::size_t bytes) const {
  std::string text;
  while (text.size() < bytes) {
    const std::string some = ReadSome(bytes - text.size(), kPatience);
    if (some.empty()) break;
    text += some;
  }
  return text;
}

}  // namespace pipedup::test
