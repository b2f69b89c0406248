#include "programs/top_screen.h"

#include <utility>

#include "os/io.h"
#include "os/process.h"
#include "top/screen.h"

namespace pipedup {
namespace {

// A terminal that stands still is not waited for.
void Write(std::string_view sequence) {
  (void)WriteReady(1, AsBytes(sequence));
}

}  // namespace

bool TopScreen::IsPossible() {
  const std::string term = Environment("TERM");
  return IsTerminal(1) && !term.empty() && term != "dumb";
}

TopScreen::TopScreen(EventLoop& loop, std::function<void(char key)> on_key)
    : loop_(loop), on_key_(std::move(on_key)) {
  if (IsTerminal(0)) {
    keys_.emplace(0);
    keys_watch_ = loop_.OnReadable(0, [this] { TakeKeys(); });
  }
  Resume();
}

TopScreen::~TopScreen() {
  if (keys_) loop_.Remove(keys_watch_);
  Suspend();
}

void TopScreen::Suspend() {
  if (keys_) keys_->Suspend();
  if (std::exchange(entered_, false)) Write(top::kLeaveScreen);
}

void TopScreen::Resume() {
  if (keys_) keys_->Resume();
  if (!std::exchange(entered_, true)) Write(top::kEnterScreen);
}

void TopScreen::TakeKeys() {
  const std::optional<std::string> keys = keys_->Take();
  if (!keys) return loop_.SetEnabled(keys_watch_, false);  // the terminal is gone
  for (const char key : *keys) on_key_(key);
}

}  // namespace pipedup
