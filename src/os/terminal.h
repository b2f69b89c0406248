// A terminal: its size, and its keys one by one.
#pragma once

#include <termios.h>

#include <cstddef>
#include <optional>
#include <string>

namespace pipedup {

struct TerminalSize {
  std::size_t columns = 80;
  std::size_t rows = 24;
};

/// Of the terminal `fd`; 80 x 24 where nobody can say.
TerminalSize SizeOfTerminal(int fd);

/// While it lives, keys of the terminal `fd` come at once and are not shown. Those that make
/// signals still do. The terminal is as it was afterwards.
class KeyInput {
 public:
  explicit KeyInput(int fd);
  ~KeyInput();
  KeyInput(const KeyInput&) = delete;
  KeyInput& operator=(const KeyInput&) = delete;

  /// As it was, until Resume: somebody else has the terminal meanwhile.
  void Suspend();
  void Resume();
  int fd() const { return fd_; }
  /// What was typed, not waiting for more; nothing when no more will come.
  std::optional<std::string> Take();

 private:
  const int fd_;
  std::optional<termios> saved_;
};

}  // namespace pipedup
