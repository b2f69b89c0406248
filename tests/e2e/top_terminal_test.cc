// pipedup-top on a terminal: what it shows, its keys, and what it leaves behind.
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "support/proc.h"
#include "support/programs.h"
#include "support/terminal.h"

namespace pipedup::test {
namespace {

constexpr const char* kEnter = "\x1b[?1049h\x1b[?25l";
constexpr const char* kLeave = "\x1b[0m\x1b[?25h\x1b[?1049l";

bool IsStopped(pid_t child) {
  const std::vector<Kin> children = ChildrenOf(::getpid());
  return std::ranges::any_of(
      children, [child](const Kin& kin) { return kin.pid == child && kin.state == 'T'; });
}

class TopTerminal : public testing::Test {
 protected:
  TopTerminal() {
    terminal_.SetSize(100, 20);
    before_ = terminal_.settings();
  }
  void Start(Words options, const std::string& term = "xterm") {
    const Words words = {TopBinary(), "--interval", "100ms", "--color", "never"};
    options.insert(options.begin(), words.begin(), words.end());
    top_ = std::make_unique<Process>(Command{.argv = std::move(options),
                                             .environment = {{"TERM", term}, {"LC_ALL", "C"}},
                                             .input = Stdio::Descriptor(terminal_.fd()),
                                             .output = Stdio::Descriptor(terminal_.fd())});
  }
  [[nodiscard]] bool Shows(const std::string& text) {
    return terminal_.ShowsEventually(
        [&](const std::string& all) { return all.find(text) != std::string::npos; });
  }
  /// What it shows now, more or less.
  std::string Last() const {
    constexpr std::size_t kMost = 600;
    const std::string& all = terminal_.shown();
    return all.substr(all.size() - std::min(all.size(), kMost));
  }
  /// Its keys and modes are what they were.
  [[nodiscard]] bool IsAsBefore() const {
    const termios now = terminal_.settings();
    return now.c_lflag == before_.c_lflag && now.c_iflag == before_.c_iflag &&
           now.c_oflag == before_.c_oflag && std::memcmp(now.c_cc, before_.c_cc, NCCS) == 0;
  }
  void ExpectRestored() {
    EXPECT_TRUE(terminal_.ShowsEventually([](const std::string& all) {
      return all.ends_with(kLeave);
    })) << Last();
    EXPECT_TRUE(IsAsBefore());
  }

  const TempDir directory_;
  Terminal terminal_;
  termios before_{};
  std::unique_ptr<Process> top_;
};

TEST_F(TopTerminal, ShowsATableUntilQIsTyped) {
  Publisher publisher(directory_, {"--stream", "web1"});
  Start({publisher.endpoint()});
  EXPECT_TRUE(Shows("web1")) << Last();
  EXPECT_TRUE(terminal_.shown().starts_with(kEnter)) << Last();
  EXPECT_FALSE(IsAsBefore()) << "keys come one by one";
  Subscriber subscriber(directory_, publisher.endpoint(), {"--name", "comes later"});
  EXPECT_TRUE(Shows("comes later")) << Last();
  terminal_.Type("q");
  EXPECT_EQ(0, top_->Wait()) << top_->log();
  ExpectRestored();
}

TEST_F(TopTerminal, IsRestoredWhenASignalEndsIt) {
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    Start({"tcp://127.0.0.1:" + std::to_string(FreePortPair())});
    EXPECT_TRUE(Shows("STREAM")) << Last();
    top_->Signal(signal);
    EXPECT_EQ(128 + signal, top_->Wait());
    ExpectRestored();
    terminal_.Forget();
  }
}

TEST_F(TopTerminal, IsLeftToOthersWhileItIsStopped) {
  Start({"tcp://127.0.0.1:" + std::to_string(FreePortPair())});
  EXPECT_TRUE(Shows("STREAM"));
  top_->Signal(SIGTSTP);
  ExpectRestored();
  terminal_.Forget();
  ASSERT_TRUE(Eventually([&] { return IsStopped(top_->pid()); }));
  top_->Signal(SIGCONT);
  EXPECT_TRUE(Shows("STREAM")) << Last();
  EXPECT_NE(terminal_.shown().find(kEnter), std::string::npos);
  terminal_.Type("q");
  EXPECT_EQ(0, top_->Wait());
  ExpectRestored();
}

TEST_F(TopTerminal, IsDrawnAnewWhenItsSizeChanges) {
  Publisher publisher(directory_, {"--stream", "a-stream-with-a-long-name"});
  Start({publisher.endpoint()});
  EXPECT_TRUE(Shows("a-stream-with-a-long-name"));
  terminal_.SetSize(12, 20);
  top_->Signal(SIGWINCH);
  EXPECT_TRUE(Shows("a-stream-wi~")) << Last();
  terminal_.SetSize(100, 3);
  top_->Signal(SIGWINCH);
  EXPECT_TRUE(Shows("\x1b[K+2")) << Last();
  terminal_.Type("q");
  EXPECT_EQ(0, top_->Wait());
}

TEST_F(TopTerminal, APublisherThatGoesAwayIsFoundAgain) {
  const std::string endpoint = "tcp://127.0.0.1:" + std::to_string(FreePortPair());
  Start({"--timeout", "500ms", endpoint});
  EXPECT_TRUE(Shows("away")) << Last();
  auto publisher =
      std::make_unique<Publisher>(directory_, Words{"--stream", "first", "--bind", endpoint});
  EXPECT_TRUE(Shows("live")) << Last();
  publisher->Signal(SIGKILL);
  EXPECT_EQ(128 + SIGKILL, publisher->Wait());
  EXPECT_TRUE(Shows("first   away")) << Last();
  publisher =
      std::make_unique<Publisher>(directory_, Words{"--stream", "again", "--bind", endpoint});
  EXPECT_TRUE(Shows("again   live")) << Last();
  terminal_.Type("q");
  EXPECT_EQ(0, top_->Wait());
}

TEST_F(TopTerminal, ThatStandsStillDoesNotKeepASignalWaiting) {
  Publisher publisher(directory_, {"--stream", "web1"});
  Start({publisher.endpoint()});
  EXPECT_TRUE(Shows("web1"));
  terminal_.Stop();
  top_->Signal(SIGTERM);
  EXPECT_EQ(128 + SIGTERM, top_->Wait());
  EXPECT_TRUE(IsAsBefore());
  terminal_.GoOn();
}

TEST_F(TopTerminal, IsSortedByAnotherColumnWhenSIsTyped) {
  Start({"--sort", "lost", "tcp://127.0.0.1:" + std::to_string(FreePortPair())});
  EXPECT_TRUE(Shows("sorted by lost")) << Last();
  terminal_.Type("s");
  EXPECT_TRUE(Shows("sorted by name")) << Last();
  terminal_.Type("s");
  EXPECT_TRUE(Shows("sorted by lag")) << Last();
  terminal_.Type("q");
  EXPECT_EQ(0, top_->Wait());
}

TEST_F(TopTerminal, ThatCannotBeDrawnOnGetsOneTable) {
  Publisher publisher(directory_, {"--stream", "web1"});
  Start({"--timeout", "40s", publisher.endpoint()}, "dumb");
  EXPECT_EQ(0, top_->Wait()) << top_->log();
  EXPECT_TRUE(Shows("web1"));
  EXPECT_EQ(terminal_.shown().find('\x1b'), std::string::npos) << Last();
  EXPECT_TRUE(IsAsBefore());
}

}  // namespace
}  // namespace pipedup::test
