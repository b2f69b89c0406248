// Publishers that move, and names that lead to them: on machines that are network namespaces.
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

constexpr const char* kName = "publisher.test";
constexpr int kSpareHost = 101;  // and those behind it: of no machine at first

class NamesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    static const std::string why_not = Lan::WhyNot();
    if (!why_not.empty()) GTEST_SKIP() << why_not;
    lan_ = std::make_unique<Lan>();
    here_ = &lan_->Add();
  }

  void Publish(Machine& machine, Words options = {"--bind", "*:5590"}) {
    for (const char* word : {"--insecure", "--linger", "5s"}) options.emplace_back(word);
    publisher_ = std::make_unique<Publisher>(
        directory_, Publisher::Setup{.options = options, .wrapper = machine.Here()});
  }

  /// A subscriber on a machine of its own.
  Program& Subscribe() {
    Command command;
    machines_.push_back(&lan_->Add());
    command.argv = machines_.back()->Here();
    for (const std::string& word :
         {SubscriberBinary(), std::string("-v"), std::string("--log-format"),
          std::string("json"), std::string("--stats"), std::string("--no-attach"),
          std::string("--dead-after"), std::string("1s"), std::string("--from"),
          std::string("start"), std::string(kName)}) {
      command.argv.push_back(word);
    }
    command.output = Stdio::File(FileOf(subscribers_.size()));
    subscribers_.push_back(std::make_unique<Program>(command));
    return *subscribers_.back();
  }
  std::string FileOf(std::size_t subscriber) const {
    return directory_ / ("out" + std::to_string(subscriber));
  }

  void WriteUpTo(std::size_t end) {
    ASSERT_TRUE(publisher_->Write(std::string_view(bytes_).substr(written_, end - written_)))
        << publisher_->log();
    written_ = end;
  }
  /// All that was written so far has come.
  [[nodiscard]] bool Arrived(std::size_t subscriber = 0) {
    return Eventually([&] { return FileSize(FileOf(subscriber)) >= written_; });
  }
  void ExpectItIsFound() { ASSERT_TRUE(Arrived()) << subscribers_[0]->log(); }

  void ExpectAllOfIt() {
    WriteUpTo(bytes_.size());
    publisher_->CloseInput();
    for (std::size_t i = 0; i < subscribers_.size(); ++i) {
      Program& subscriber = *subscribers_[i];
      ASSERT_EQ(subscriber.Wait(), 0) << subscriber.log();
      const Account account = AccountOf(subscriber, ReadFile(FileOf(i)));
      EXPECT_EQ("", CheckEquation({.produced = bytes_}, account)) << subscriber.log();
      EXPECT_TRUE(account.gaps.empty());
    }
    // The last words of a subscriber may have gone to where the publisher was before.
    const int status = publisher_->Wait();
    EXPECT_TRUE(status == 0 || (status == 3 && publisher_->said("unconfirmed")))
        << publisher_->log();
  }

  const TempDir directory_;
  const std::string bytes_ = MakeRecords(78, 6 * kMiB);
  std::size_t written_ = 0;
  std::unique_ptr<Lan> lan_;
  Machine* here_ = nullptr;         // the publisher's
  std::vector<Machine*> machines_;  // the subscribers'
  std::unique_ptr<Publisher> publisher_;
  std::vector<std::unique_ptr<Program>> subscribers_;
};

TEST_F(NamesTest, AnotherAddressIsFoundByItsName) {
  lan_->SetName(kName, here_->addresses());
  Publish(*here_);
  Subscribe();
  WriteUpTo(kMiB);
  ASSERT_TRUE(Arrived()) << subscribers_[0]->log();
  for (const int host : {kSpareHost, kSpareHost + 1}) {
    here_->RemoveAddress(here_->addresses().front());
    here_->AddAddress(Lan::Address4(host));
    lan_->SetName(kName, here_->addresses());
    WriteUpTo(written_ + kMiB);
    ExpectItIsFound();
  }
  ExpectAllOfIt();
}

TEST_F(NamesTest, AnAddressOfTheOtherFamilyIsFoundByItsName) {
  lan_->SetName(kName, here_->addresses());
  Publish(*here_);
  Subscribe();
  machines_.back()->AddAddress(Lan::Address6(2));
  WriteUpTo(kMiB);
  ASSERT_TRUE(Arrived()) << subscribers_[0]->log();
  for (const std::string& address : {Lan::Address6(kSpareHost), Lan::Address4(kSpareHost)}) {
    here_->RemoveAddress(here_->addresses().front());
    here_->AddAddress(address);
    lan_->SetName(kName, here_->addresses());
    WriteUpTo(written_ + kMiB);
    ExpectItIsFound();
  }
  ExpectAllOfIt();
}

// An address of each family, and nobody listens at the one that is tried first.
TEST_F(NamesTest, OfTwoFamiliesTheOneThatIsListenedToIsFound) {
  here_->AddAddress(Lan::Address6(1));
  lan_->SetName(kName, here_->addresses());
  Publish(*here_, {"--bind", "[" + Lan::Address6(1) + "]:5590"});
  Subscribe();
  machines_.back()->AddAddress(Lan::Address6(2));
  WriteUpTo(kMiB);
  ExpectItIsFound();
  ExpectAllOfIt();
}

TEST_F(NamesTest, APublisherThatIsStartedAgainOnAnotherMachineIsFoundByItsName) {
  const Words options = {"--bind", "*:5590", "--journal", directory_ / "journal"};
  lan_->SetName(kName, here_->addresses());
  Publish(*here_, options);
  Subscribe();
  WriteUpTo(kMiB);
  ASSERT_TRUE(Arrived()) << subscribers_[0]->log();
  publisher_->Signal(SIGKILL);
  publisher_->Wait();

  Machine& other = lan_->Add();
  here_->Unplug();  // the machine is gone, not only the program: nobody says that it is
  lan_->SetName(kName, other.addresses());
  Publish(other, options);
  WriteUpTo(2 * kMiB);
  ExpectItIsFound();
  ExpectAllOfIt();
}

TEST_F(NamesTest, WhoIsCutOffIsNobodyElsesTrouble) {
  lan_->SetName(kName, here_->addresses());
  Publish(*here_);
  Program& one = Subscribe();
  Subscribe();
  WriteUpTo(kMiB);
  ASSERT_TRUE(Arrived(0) && Arrived(1)) << one.log();
  const std::size_t before = one.events("silence").size();
  machines_[0]->CutOffFrom(*here_);
  WriteUpTo(3 * kMiB);
  ASSERT_TRUE(Arrived(1)) << subscribers_[1]->log();
  ASSERT_TRUE(Eventually([&] { return one.events("silence").size() > before; })) << one.log();
  EXPECT_LT(FileSize(FileOf(0)), written_);
  machines_[0]->PlugIn();
  ExpectItIsFound();
  ExpectAllOfIt();
}

}  // namespace
}  // namespace pipedup::test
