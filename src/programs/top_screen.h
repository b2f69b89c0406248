// The terminal while pipedup-top has it.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "net/loop.h"
#include "os/terminal.h"

namespace pipedup {

/// Another screen on stdout, and keys from stdin if that is a terminal. The terminal is as it
/// was when this is gone, as far as it takes any bytes at all.
class TopScreen {
 public:
  /// `on_key` is called from the loop for each key.
  TopScreen(EventLoop& loop, std::function<void(char key)> on_key);
  ~TopScreen();
  TopScreen(const TopScreen&) = delete;
  TopScreen& operator=(const TopScreen&) = delete;

  /// Whether stdout is a terminal that can be drawn on.
  static bool IsPossible();

  /// Leaves the terminal to others, until Resume.
  void Suspend();
  void Resume();
  TerminalSize size() const { return SizeOfTerminal(1); }

 private:
  void TakeKeys();

  EventLoop& loop_;
  const std::function<void(char key)> on_key_;
  std::optional<KeyInput> keys_;
  EventLoop::WatchId keys_watch_ = 0;
  bool entered_ = false;
};

}  // namespace pipedup
