#include "os/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "os/io.h"

namespace pipedup {

TerminalSize SizeOfTerminal(int fd) {
  winsize size{};
  TerminalSize found;
  if (::ioctl(fd, TIOCGWINSZ, &size) != 0) return found;
  if (size.ws_col > 0) found.columns = size.ws_col;
  if (size.ws_row > 0) found.rows = size.ws_row;
  return found;
}

KeyInput::KeyInput(int fd) : fd_(fd) {
  Resume();
}

KeyInput::~KeyInput() {
  Suspend();
}

void KeyInput::Suspend() {
  if (saved_) ::tcsetattr(fd_, TCSANOW, &*saved_);
  saved_.reset();
}

void KeyInput::Resume() {
  termios now{};
  if (saved_ || ::tcgetattr(fd_, &now) != 0) return;
  saved_ = now;
  now.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);
  now.c_cc[VMIN] = 1;
  now.c_cc[VTIME] = 0;
  ::tcsetattr(fd_, TCSANOW, &now);
}

std::optional<std::string> KeyInput::Take() {
  if (!IsReadable(fd_)) return "";
  std::array<char, 64> keys{};
  const ssize_t n = ::read(fd_, keys.data(), keys.size());
  if (n > 0) return std::string(keys.data(), static_cast<std::size_t>(n));
  if (n < 0 && (errno == EINTR || errno == EAGAIN)) return "";
  return std::nullopt;
}

}  // namespace pipedup
