#include "fault/network.h"

#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <stdexcept>

namespace pipedup::test {
namespace {

namespace fs = std::filesystem;

// Of a block that is nobody's (RFC 2544), so that nothing else here is in the way.
constexpr const char* kNet = "198.18.77.";

/// "pd-1234-1": of this process, and of one pair of it.
std::string NewName() {
  static std::atomic<int> number{0};
  return "pd" + std::to_string(::getpid()) + "-" + std::to_string(++number);
}

Outcome Shell(const std::string& command) {
  return RunToEnd({.argv = {"/bin/sh", "-c", "PATH=$PATH:/usr/sbin:/sbin; " + command}});
}

}  // namespace

std::string TwoMachines::WhyNot() {
  if (::geteuid() != 0) return "network namespaces need root";
  const std::string name = NewName();
  const bool made =
      Shell("ip netns add " + name + " && ip netns exec " + name + " iptables -L > /dev/null")
          .status == 0;
  Shell("ip netns del " + name);
  return made ? "" : "ip netns and iptables cannot be used here";
}

TwoMachines::TwoMachines() : publisher_(NewName() + "p"), subscriber_(publisher_ + "s") {
  Run("ip netns add " + publisher_);
  Run("ip netns add " + subscriber_);
  Run("ip link add cable netns " + publisher_ + " type veth peer name cable netns " +
      subscriber_);
  for (const std::string& machine : {publisher_, subscriber_}) {
    Run("ip -n " + machine + " link set lo up");
    Run("ip -n " + machine + " link set cable up");
  }
  Run("ip -n " + publisher_ + " addr add " + kNet + "1/24 dev cable");
  Run("ip -n " + subscriber_ + " addr add " + kNet + "100/24 dev cable");
  // Mounted over /etc/hosts for what runs there. Written in place, a change is seen at once.
  fs::create_directories("/etc/netns/" + subscriber_);
  WriteHosts();
}

TwoMachines::~TwoMachines() {
  Shell("ip netns del " + subscriber_ + "; ip netns del " + publisher_);
  std::error_code ignored;
  fs::remove_all("/etc/netns/" + subscriber_, ignored);
  fs::remove("/etc/netns", ignored);  // if it is empty
}

void TwoMachines::Run(const std::string& command) const {
  const Outcome outcome = Shell(command);
  if (outcome.status == 0) return;
  throw std::runtime_error(command + ": " +
                           (outcome.errors.empty() ? "failed" : outcome.errors.front()));
}

void TwoMachines::WriteHosts() const {
  WriteFile("/etc/netns/" + subscriber_ + "/hosts",
            "127.0.0.1 localhost\n" + std::string(kNet) + std::to_string(address_) + " " +
                name() + "\n");
}

void TwoMachines::Unplug() {
  Run("ip netns exec " + publisher_ + " iptables -A INPUT -i cable -j DROP");
  Run("ip netns exec " + publisher_ + " iptables -A OUTPUT -o cable -j DROP");
}

void TwoMachines::PlugIn() {
  Run("ip netns exec " + publisher_ + " iptables -F");
}

void TwoMachines::ChangeAddress() {
  const std::string old_address = kNet + std::to_string(address_);
  ++address_;
  Run("ip -n " + publisher_ + " addr add " + kNet + std::to_string(address_) + "/24 dev cable");
  Run("ip -n " + publisher_ + " addr del " + old_address + "/24 dev cable");
  // Deleting the first one of a net may take those beside it away.
  Shell("ip -n " + publisher_ + " addr add " + kNet + std::to_string(address_) +
        "/24 dev cable 2> /dev/null");
  WriteHosts();
}

}  // namespace pipedup::test
