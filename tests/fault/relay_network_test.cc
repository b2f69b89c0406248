// A publisher, two relays and four subscribers, each on a machine of its own (network
// namespaces): what breaks between them, and what is told of it at every subscriber.
#include <gtest/gtest.h>

#include <csignal>
#include <memory>
#include <string>
#include <vector>

#include "support/content.h"
#include "support/lan.h"
#include "support/programs.h"

namespace pipedup::test {
namespace {

constexpr std::size_t kPart = 2 * kMiB;  // is published between one event and the next
constexpr int kSpareHost = 101;          // of no machine at first
constexpr const char* kPublisher = "publisher.test";
constexpr const char* kRelay = "relay.test";

class RelayNetworkTest : public ::testing::Test {
 protected:
  void SetUp() override {
    static const std::string why_not = Lan::WhyNot();
    if (!why_not.empty()) GTEST_SKIP() << why_not;
    lan_ = std::make_unique<Lan>();
    here_ = &lan_->Add();
    lan_->SetName(kPublisher, here_->addresses());
    publisher_ = std::make_unique<Publisher>(
        directory_,
        Publisher::Setup{.options = {"--bind", "*:5590", "--insecure", "--linger", "5s"},
                         .wrapper = here_->Here()});
    for (std::size_t i = 0; i < 2; ++i) {
      relay_machines_.push_back(&lan_->Add());
      relays_.emplace_back();
      StartRelay(i);
    }
    lan_->SetName(kRelay, relay_machines_[0]->addresses());
    Subscribe({relay_machines_[0]->addresses()[0]});
    Subscribe({kRelay});
    Subscribe({relay_machines_[1]->addresses()[0]});
    Subscribe({relay_machines_[0]->addresses()[0], relay_machines_[1]->addresses()[0]});
  }

  void StartRelay(std::size_t number) {
    Command command;
    command.argv = relay_machines_[number]->Here();
    for (const char* word : {"-v", "--log-format", "json", "--dead-after", "1s", "--from",
                             kPublisher, "--bind", "*:5590", "--insecure", "--linger", "5s"}) {
      if (command.argv.size() == relay_machines_[number]->Here().size()) {
        command.argv.push_back(RelayBinary());
      }
      command.argv.emplace_back(word);
    }
    relays_[number] = std::make_unique<Program>(command);
  }

  void Subscribe(const Words& endpoints) {
    machines_.push_back(&lan_->Add());
    Command command;
    command.argv = machines_.back()->Here();
    for (const std::string& word :
         Words{SubscriberBinary(), "-v", "--log-format", "json", "--stats", "--no-attach",
               "--dead-after", "1s", "--from", "start"}) {
      command.argv.push_back(word);
    }
    for (const std::string& endpoint : endpoints) command.argv.push_back(endpoint);
    command.output = Stdio::File(FileOf(subscribers_.size()));
    subscribers_.push_back(std::make_unique<Program>(command));
  }
  std::string FileOf(std::size_t subscriber) const {
    return directory_ / ("out" + std::to_string(subscriber));
  }

  void WriteMore() {
    ASSERT_TRUE(publisher_->Write(std::string_view(bytes_).substr(written_, kPart)))
        << publisher_->log();
    written_ += kPart;
  }
  /// All that was written so far has come to that one, or to all.
  [[nodiscard]] bool Arrived(std::size_t subscriber) {
    return Eventually([&] { return FileSize(FileOf(subscriber)) >= written_; });
  }
  void ExpectItArrives() {
    for (std::size_t i = 0; i < subscribers_.size(); ++i) {
      ASSERT_TRUE(Arrived(i)) << "subscriber " << i << ": " << subscribers_[i]->log()
                              << relays_[0]->log() << relays_[1]->log();
    }
  }

  /// To the end: each subscriber has all of it, and nothing was lost on any way.
  void ExpectAllOfIt() {
    ASSERT_TRUE(publisher_->WriteAndEnd(std::string_view(bytes_).substr(written_)));
    for (std::size_t i = 0; i < subscribers_.size(); ++i) {
      Program& subscriber = *subscribers_[i];
      ASSERT_EQ(subscriber.Wait(), 0) << "subscriber " << i << ": " << subscriber.log();
      const Account account = AccountOf(subscriber, ReadFile(FileOf(i)));
      EXPECT_EQ("", CheckEquation({.produced = bytes_}, account)) << subscriber.log();
      EXPECT_TRUE(account.gaps.empty());
    }
  }

  const TempDir directory_;
  const std::string bytes_ = MakeRecords(79, 8 * kPart);
  std::size_t written_ = 0;
  std::unique_ptr<Lan> lan_;
  Machine* here_ = nullptr;  // the publisher's
  std::vector<Machine*> relay_machines_;
  std::vector<Machine*> machines_;  // the subscribers'
  std::unique_ptr<Publisher> publisher_;
  std::vector<std::unique_ptr<Program>> relays_;
  std::vector<std::unique_ptr<Program>> subscribers_;
};

TEST_F(RelayNetworkTest, APartitionOnEitherSideOfARelayIsHealed) {
  WriteMore();
  ExpectItArrives();
  relay_machines_[0]->CutOffFrom(*here_);
  machines_[2]->CutOffFrom(*relay_machines_[1]);
  WriteMore();
  ASSERT_TRUE(Arrived(3)) << "it reads both relays: " << subscribers_[3]->log();
  ASSERT_TRUE(relays_[0]->WaitForEvent("silence")) << relays_[0]->log();
  ASSERT_TRUE(subscribers_[2]->WaitForEvent("silence")) << subscribers_[2]->log();
  relay_machines_[0]->PlugIn();
  machines_[2]->PlugIn();
  ExpectItArrives();
  ExpectAllOfIt();
}

TEST_F(RelayNetworkTest, ARelayThatIsKilledAndStartedAgainIsAPause) {
  WriteMore();
  ExpectItArrives();
  relays_[0]->Signal(SIGKILL);
  relays_[0]->Wait();
  WriteMore();
  ASSERT_TRUE(Arrived(2) && Arrived(3)) << "the other relay is there";
  StartRelay(0);
  ExpectItArrives();
  ExpectAllOfIt();
}

TEST_F(RelayNetworkTest, ASubscriberGoesOnAtAnotherRelayWhenItsNameSaysSo) {
  WriteMore();
  ExpectItArrives();
  relay_machines_[0]->Unplug();  // with all that is on it: nobody is told
  lan_->SetName(kRelay, relay_machines_[1]->addresses());
  WriteMore();
  for (const std::size_t subscriber : {std::size_t{1}, std::size_t{2}, std::size_t{3}}) {
    ASSERT_TRUE(Arrived(subscriber)) << subscribers_[subscriber]->log();
  }
  relay_machines_[0]->PlugIn();
  ExpectItArrives();
  ExpectAllOfIt();
}

TEST_F(RelayNetworkTest, APublisherWithAnotherAddressIsFoundByItsRelays) {
  WriteMore();
  ExpectItArrives();
  here_->RemoveAddress(here_->addresses().front());
  here_->AddAddress(Lan::Address4(kSpareHost));
  lan_->SetName(kPublisher, here_->addresses());
  WriteMore();
  ExpectItArrives();
  ExpectAllOfIt();
}

}  // namespace
}  // namespace pipedup::test
