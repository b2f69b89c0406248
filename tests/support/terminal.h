// A terminal as a shell has it, with the test at its other side.
#pragma once

#include <termios.h>

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

#include "os/fd.h"
#include "support/wait.h"

namespace pipedup::test {

/// Nobody's controlling terminal: signals are the test's to send.
class Terminal {
 public:
  /// Throws std::system_error.
  Terminal();

  const std::string& name() const { return name_; }
  int fd() const { return terminal_.get(); }
  /// As by ^S and ^Q.
  void Stop() const { ::tcflow(terminal_.get(), TCOOFF); }
  void GoOn() const { ::tcflow(terminal_.get(), TCOON); }
  void SetSize(unsigned short columns, unsigned short rows) const;
  void Type(std::string_view keys) const;
  termios settings() const;

  /// Whether it shows `written` next, waiting for that. (A line ends with CR LF there.)
  [[nodiscard]] bool Shows(std::string_view written) const;
  /// Everything it has shown since the last Forget, once that passes `test`; false if it never
  /// does.
  [[nodiscard]] bool ShowsEventually(const std::function<bool(const std::string& all)>& test);
  const std::string& shown() const { return shown_; }
  void Forget() { shown_.clear(); }

 private:
  std::string Read(std::size_t bytes) const;
  /// Waits until there is something, or `patience` is over.
  std::string ReadSome(std::size_t most, Duration patience) const;

  UniqueFd screen_;
  UniqueFd terminal_;
  std::string name_;
  std::string shown_;
};

}  // namespace pipedup::test
