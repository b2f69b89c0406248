#include "programs/top_run.h"

#include <algorithm>
#include <csignal>
#include <utility>

#include "base/clock.h"
#include "base/display.h"
#include "base/error.h"
#include "base/text.h"
#include "os/io.h"
#include "os/process.h"
#include "programs/key_files.h"
#include "subscribe/stream_list.h"
#include "top/health.h"
#include "top/json.h"
#include "top/screen.h"

namespace pipedup {
namespace {

constexpr auto kLookEvery = std::chrono::milliseconds(20);
constexpr std::size_t kWake = SIZE_MAX;  // when all is written
// A subscriber that moves says where it is four times a second.
constexpr Duration kRateWindow = std::chrono::seconds(2);

bool ReadsUtf8() {
  for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
    std::string value = Environment(name);
    if (value.empty()) continue;
    std::ranges::transform(value, value.begin(), [](char c) {
      return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    });
    return value.find("utf-8") != std::string::npos || value.find("utf8") != std::string::npos;
  }
  return false;
}

}  // namespace

TopRun::TopRun(const TopOptions& options, bool color, Reporter& reporter)
    : options_(options),
      reporter_(reporter),
      signals_({SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP, SIGCONT, SIGWINCH}),
      context_(LoadSubscriberKeys(options.server_key, options.curve_secret)),
      out_(1, kWake) {
  table_.sort = options.sort;
  table_.color = color;
  table_.utf8 = ReadsUtf8();
  loop_.OnReadable(signals_.fd(), [this] { OnSignals(); });
  loop_.OnReadable(out_.waker().fd(), [this] {
    out_.waker().Clear();
    OnWritten();
  });
  for (const Endpoint& endpoint : options.endpoints) {
    auto asked = std::make_unique<Asked>(
        Asked{nullptr, top::Rates(std::max<Duration>(kRateWindow, options.interval))});
    Asked& one = *asked;
    asked->reader = std::make_unique<StatsReader>(
        context_, loop_,
        StatsReaderOptions{endpoint, options.streams, options.interval, options.timeout},
        [this, &one] { OnRound(one); });
    asked_.push_back(std::move(asked));
  }
  if (!options.once && !options.json && !options.check && TopScreen::IsPossible()) {
    screen_.emplace(loop_, [this](char key) { OnKey(key); });
    loop_.Every(options.interval, [this] { Show(); });
    Show();
  } else {
    settle_ = loop_.Every(kLookEvery, [this] { ShowWhenSettled(); });
  }
}

int TopRun::Run() {
  loop_.Run();
  out_.Abort();  // before the screen is left
  screen_.reset();
  return status_;
}

// ---- what is known ----

void TopRun::OnRound(Asked& asked) {
  asked.streams.clear();
  for (const StreamStats& one : asked.reader->streams()) {
    top::StreamView view;
    view.stats = one.stats;
    view.ended = one.ended;
    asked.streams.push_back(std::move(view));
  }
  asked.rates.Fill(loop_.now(), &asked.streams);
  if (screen_ && asked.reader->rounds() == 1) Show();  // whoever looks need not wait
}

top::EndpointView TopRun::ViewOf(const Asked& asked) const {
  using State = top::EndpointView::State;
  const StatsReader& reader = *asked.reader;
  top::EndpointView view;
  view.endpoint = reader.endpoint().data();
  view.streams = asked.streams;
  if (!reader.refused().empty()) {
    view.state = State::kRefused;
    view.why = reader.refused();
  } else if (reader.away()) {
    view.state = State::kAway;
    view.silent = loop_.now() - reader.last_heard();
  } else if (reader.rounds() > 0) {
    view.state = State::kAnswers;
  }
  top::SortView(table_.sort, &view);
  return view;
}

std::vector<top::EndpointView> TopRun::View() const {
  std::vector<top::EndpointView> views;
  for (const auto& asked : asked_) views.push_back(ViewOf(*asked));
  return views;
}

/// There is nothing more to be waited for. A rate takes two answers.
bool TopRun::IsSettled(const Asked& asked) const {
  const bool with_rates = !options_.check && (options_.once || !options_.json);
  return asked.reader->away() || !asked.reader->refused().empty() ||
         asked.reader->rounds() >= (with_rates ? 2U : 1U);
}

std::string TopRun::NoAnswer() const {
  return "no answer within " + FormatDuration(options_.timeout) + ": " +
         (context_.connects_encrypted()
              ? "it may not know this key, or --server-key may be the key of another one"
              : "nobody publishes there, or only to those with keys (--server-key)");
}

// ---- what is shown ----

void TopRun::ShowWhenSettled() {
  const auto settled = [this](const auto& asked) { return IsSettled(*asked); };
  if (!std::ranges::all_of(asked_, settled)) return;
  loop_.Cancel(settle_);
  if (options_.check) return Judge();
  if (options_.json && !options_.once) {
    loop_.Every(options_.interval, [this] { Show(); });
  } else {
    last_ = true;
    status_ = StatusOnce();
  }
  Show();
}

void TopRun::Show() {
  if (options_.json) return Print(top::JsonText(View(), WallNow()));
  if (screen_) return ShowScreen();
  std::string text;
  for (const std::string& line : top::TableLines(View(), table_)) text += line + "\n";
  Print(std::move(text));
}

void TopRun::ShowScreen() {
  const TerminalSize size = screen_->size();
  table_.columns = size.columns;
  const std::string title = "pipedup-top  sorted by " + std::string(ToText(table_.sort)) +
                            " (s: by another)  every " + FormatDuration(options_.interval) +
                            "  q: quit";
  std::vector<std::string> lines = {CutToColumns(title, size.columns, table_.utf8), ""};
  for (std::string& line : top::TableLines(View(), table_)) lines.push_back(std::move(line));
  Print(top::Frame(lines, size.rows));
}

/// The status of --once, after what is wrong was said.
int TopRun::StatusOnce() {
  int status = kExitOk;
  for (const top::EndpointView& view : View()) {
    if (view.state == top::EndpointView::State::kAnswers) {
      if (!view.streams.empty() || IsPattern(options_.streams)) continue;
      reporter_.Error("refused",
                      view.endpoint + ": there is no stream '" + options_.streams + "' there");
      if (status == kExitOk) status = kExitRefused;
      continue;
    }
    const bool refused = view.state == top::EndpointView::State::kRefused;
    reporter_.Error(refused ? "refused" : "unreachable", top::ProblemOf(view, NoAnswer()));
    if (!refused || status == kExitOk) status = refused ? kExitRefused : kExitUnreachable;
  }
  return status;
}

void TopRun::Judge() {
  const std::vector<std::string> problems =
      top::Problems(View(), options_.bounds, options_.streams, NoAnswer());
  if (problems.empty()) return Stop(kExitOk);
  const std::size_t others = problems.size() - 1;
  reporter_.Error(
      "unhealthy",
      problems.front() + (others > 0 ? " (and " + std::to_string(others) + " more)" : ""),
      {{"problems", std::uint64_t{problems.size()}}});
  Stop(kExitFailure);
}

/// What is behind a reader that takes nothing is left out.
void TopRun::Print(std::string text) {
  if (out_.queued() > 0) return;
  printed_ += text.size();
  const auto owner = std::make_shared<const std::string>(std::move(text));
  out_.Push({owner, AsBytes(*owner)}, 1, printed_);
  OnWritten();
}

void TopRun::OnWritten() {
  if (out_.state() == Writer::State::kClosed) return Stop(kExitBrokenPipe);
  if (out_.state() == Writer::State::kFailed) {
    reporter_.Error("output", "stdout: " + ErrnoText(out_.error()));
    return Stop(kExitFailure);
  }
  if (last_ && out_.queued() == 0) loop_.Stop();
}

// ---- the end ----

void TopRun::OnSignals() {
  for (auto signal = signals_.Next(); signal.number != 0; signal = signals_.Next()) {
    switch (signal.number) {
      case SIGWINCH:
        if (screen_) Show();
        break;
      case SIGTSTP:
        if (screen_) screen_->Suspend();
        (void)std::raise(SIGSTOP);
        break;
      case SIGCONT:
        if (!screen_) break;
        screen_->Suspend();  // somebody else may have had the terminal
        screen_->Resume();
        Show();
        break;
      default:
        Stop(kExitSignalBase + signal.number);
    }
  }
}

void TopRun::OnKey(char key) {
  if (key == 'q' || key == 'Q') return Stop(kExitOk);
  if (key == 's') table_.sort = top::Next(table_.sort);
  Show();
}

void TopRun::Stop(int status) {
  status_ = status;
  loop_.Stop();
}

}  // namespace pipedup
