#include "hostile_test_base.h"

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <sstream>

#include "base/sanitizer.h"

namespace pipedup::test {
namespace {

constexpr std::size_t kPartLines = 200;
// docs/promises.md: 64 MiB. What tests leave behind is far less: freed memory that malloc
// keeps. A sanitizer keeps it on purpose.
constexpr std::uint64_t kMostKib = kSanitized ? UINT64_MAX / 2 : 64 * 1024;
constexpr std::size_t kFewDescriptors = 4;
constexpr double kIdle = 0.25;  // of one core

}  // namespace

std::size_t Sized(std::size_t moderate, std::size_t full) {
  return std::getenv("PIPEDUP_HOSTILE_FULL") != nullptr ? full : moderate;
}

Held HeldBy(pid_t pid) {
  Held held;
  const std::string proc = "/proc/" + std::to_string(pid);
  std::ifstream status(proc + "/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("RssAnon:")) held.private_kib = std::stoull(line.substr(8));
  }
  std::error_code gone;
  for (auto it = std::filesystem::directory_iterator(proc + "/fd", gone);
       !gone && it != std::filesystem::directory_iterator(); it.increment(gone)) {
    ++held.descriptors;
  }
  std::ifstream file(proc + "/stat");
  std::string stat;
  std::getline(file, stat, '\0');
  std::istringstream fields(stat.substr(stat.rfind(')') + 2));
  std::string skipped;
  for (int i = 0; i < 11; ++i) fields >> skipped;
  double user = 0;
  double system = 0;
  fields >> user >> system;
  held.cpu_seconds = (user + system) / static_cast<double>(::sysconf(_SC_CLK_TCK));
  return held;
}

bool IsIdle(pid_t pid) {
  const auto began = Clock::now();
  const double used = HeldBy(pid).cpu_seconds;
  // Not to wait for anything: processor time is a matter of a stretch of time, and this is it.
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  const std::chrono::duration<double> passed = Clock::now() - began;
  return (HeldBy(pid).cpu_seconds - used) / passed.count() < kIdle;
}

void HostileTest::Start(Words options, Words wrapper, bool ipc) {
  // Members of bad faith do not confirm the end, which is not waited for here.
  options.insert(options.end(), {"--linger", "2s"});
  if (ipc) {
    ipc_.kind = Endpoint::Kind::kIpc;
    ipc_.path = directory_ / "data";
    for (const std::string& word : {std::string("--bind"), std::string("tcp://127.0.0.1:0"),
                                    std::string("--bind"), ipc_.data()}) {
      options.push_back(word);
    }
  }
  publisher_ = std::make_unique<Publisher>(
      directory_,
      Publisher::Setup{.options = std::move(options), .wrapper = std::move(wrapper)});
  std::string why;
  tcp_ = ParseEndpoint(publisher_->endpoint(), &why).value();
  good_ = std::make_unique<Subscriber>(directory_, publisher_->endpoint());
  ASSERT_TRUE(good_->WaitUntilLive()) << publisher_->log() << good_->log();
  ExpectTheGoodOneIsServed();
  before_ = HeldBy(publisher_->pid());
  Look();
}

void HostileTest::Produce() {
  const std::string part = MakeLines('h', kPartLines, parts_++ * kPartLines);
  produced_ += part;
  ASSERT_TRUE(publisher_->Write(part)) << publisher_->log();
}

void HostileTest::ExpectTheGoodOneIsServed() {
  ASSERT_NO_FATAL_FAILURE(Produce());
  ASSERT_TRUE(good_->WaitForBytes(produced_.size())) << publisher_->log() << good_->log();
}

Json HostileTest::Stats() {
  Json stats;
  EXPECT_TRUE(Eventually([&] {
    ZmtpPeer onlooker(tcp_, Port::kControl);
    if (!onlooker.Join("DEALER") || !onlooker.Send(ZmtpFrame(R"({"op":"stats"})"))) {
      return false;
    }
    const auto answer = onlooker.ReceiveMessage(std::chrono::seconds(2));
    if (answer) stats = Json::parse(*answer, nullptr, false);
    return stats.is_object() && stats.contains("counters");
  })) << "no statistics";
  return stats;
}

void HostileTest::Look() {
  highest_kib_ = std::max(highest_kib_, HeldBy(publisher_->pid()).private_kib);
}

void HostileTest::ExpectNoHarm() {
  Look();
  ASSERT_NO_FATAL_FAILURE(ExpectTheGoodOneIsServed());
  peers_.clear();
  Held now;
  EXPECT_TRUE(Eventually([&] {
    now = HeldBy(publisher_->pid());
    return now.descriptors <= before_.descriptors + kFewDescriptors &&
           now.private_kib <= before_.private_kib + kMostKib;
  })) << now.descriptors
      << " descriptors, " << before_.descriptors << " before; " << now.private_kib
      << " KiB of private memory, " << before_.private_kib << " before";
  EXPECT_TRUE(Eventually([&] { return IsIdle(publisher_->pid()); })) << "it is not idle";
  const auto counters = Stats().at("counters");
  std::cout << "[ memory   ] KiB of private memory: " << before_.private_kib << " before, "
            << highest_kib_ << " at most, " << now.private_kib
            << " after; connections: " << counters.at("connections_accepted") << " accepted, "
            << counters.at("connections_refused") << " refused, "
            << counters.at("connections_cut")
            << " cut; requests ignored: " << counters.at("requests_ignored")
            << "; sockets remade: " << counters.at("socket_remakes") << "\n";
  ASSERT_NO_FATAL_FAILURE(ExpectTheGoodOneIsServed());
  publisher_->CloseInput();
  ASSERT_EQ(0, good_->Wait()) << good_->log();
  EXPECT_EQ("", CheckEquation({.produced = produced_}, good_->account()));
  const int status = publisher_->Wait();
  EXPECT_TRUE(status == 0 || status == 3) << status << publisher_->log();
}

}  // namespace pipedup::test
