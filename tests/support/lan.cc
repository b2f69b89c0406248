#include "support/lan.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <stdexcept>

#include "support/files.h"

namespace pipedup::test {
namespace {

namespace fs = std::filesystem;

// Of blocks that are nobody's (RFC 2544, RFC 4193), so that nothing else here is in the way.
constexpr const char* kNet4 = "198.18.77.";
constexpr const char* kNet6 = "fd77::";

/// "pd1234-1": of this process, and of one Lan of it.
std::string NewName() {
  static std::atomic<int> number{0};
  return "pd" + std::to_string(::getpid()) + "-" + std::to_string(++number);
}

bool IsIpv6(const std::string& address) {
  return address.find(':') != std::string::npos;
}

Outcome Shell(const std::string& command) {
  return RunToEnd({.argv = {"/bin/sh", "-c", "PATH=$PATH:/usr/sbin:/sbin; " + command}});
}

void Run(const std::string& command) {
  const Outcome outcome = Shell(command);
  if (outcome.status == 0) return;
  throw std::runtime_error(command + ": " +
                           (outcome.errors.empty() ? "failed" : outcome.errors.front()));
}

std::string HostsDirectory(const std::string& machine) {
  return "/etc/netns/" + machine;
}

}  // namespace

void Machine::AddAddress(const std::string& address) {
  // nodad: else an IPv6 address is of no use for a second.
  Run("ip -n " + name_ + " addr add " + address +
      (IsIpv6(address) ? "/64 dev cable nodad" : "/24 dev cable"));
  addresses_.push_back(address);
}

void Machine::RemoveAddress(const std::string& address) {
  // Deleting the first one of a net may take those beside it away, but for this.
  Run("ip netns exec " + name_ +
      " sh -c 'echo 1 > /proc/sys/net/ipv4/conf/all/promote_secondaries'");
  Run("ip -n " + name_ + " addr del " + address + (IsIpv6(address) ? "/64" : "/24") +
      " dev cable");
  std::erase(addresses_, address);
}

void Machine::Unplug() {
  for (const char* tool : {"iptables", "ip6tables"}) {
    Run("ip netns exec " + name_ + " " + tool + " -A INPUT -i cable -j DROP");
    Run("ip netns exec " + name_ + " " + tool + " -A OUTPUT -o cable -j DROP");
  }
}

void Machine::CutOffFrom(const Machine& other) {
  for (const std::string& address : other.addresses_) {
    const std::string tool = IsIpv6(address) ? "ip6tables" : "iptables";
    Run("ip netns exec " + name_ + " " + tool + " -A INPUT -s " + address + " -j DROP");
    Run("ip netns exec " + name_ + " " + tool + " -A OUTPUT -d " + address + " -j DROP");
  }
}

void Machine::PlugIn() {
  Run("ip netns exec " + name_ + " iptables -F");
  Run("ip netns exec " + name_ + " ip6tables -F");
}

std::string Lan::WhyNot() {
  if (::geteuid() != 0) return "network namespaces need root";
  const std::string name = NewName();
  const bool made =
      Shell("ip netns add " + name + " && ip -n " + name +
            " link add switch type bridge && ip netns exec " + name +
            " iptables -L > /dev/null && ip netns exec " + name + " ip6tables -L > /dev/null")
          .status == 0;
  Shell("ip netns del " + name);
  return made ? "" : "ip netns, bridges or iptables cannot be used here";
}

Lan::Lan() : switch_(NewName()) {
  Run("ip netns add " + switch_);
  Run("ip -n " + switch_ + " link add switch type bridge");
  Run("ip -n " + switch_ + " link set switch up");
}

Lan::~Lan() {
  std::error_code ignored;
  for (const Machine& machine : machines_) {
    Shell("ip netns del " + machine.name_);
    fs::remove_all(HostsDirectory(machine.name_), ignored);
  }
  Shell("ip netns del " + switch_);
  fs::remove("/etc/netns", ignored);  // if it is empty
}

Machine& Lan::Add() {
  const std::string number = std::to_string(machines_.size() + 1);
  const std::string name = switch_ + "m" + number;
  // Before anything of it is made: what fails half way is removed with the rest.
  Machine& machine = machines_.emplace_back(name);
  Run("ip netns add " + name);
  Run("ip link add cable netns " + name + " type veth peer name to" + number + " netns " +
      switch_);
  Run("ip -n " + switch_ + " link set to" + number + " master switch up");
  Run("ip -n " + name + " link set lo up");
  Run("ip -n " + name + " link set cable up");
  machine.AddAddress(Address4(static_cast<int>(machines_.size())));
  // Mounted over /etc/hosts for what runs there. Written in place, a change is seen at once.
  fs::create_directories(HostsDirectory(name));
  WriteHosts(machine);
  return machine;
}

std::string Lan::Address4(int host) {
  return kNet4 + std::to_string(host);
}

std::string Lan::Address6(int host) {
  return kNet6 + std::to_string(host);
}

void Lan::SetName(const std::string& name, const std::vector<std::string>& addresses) {
  names_[name] = addresses;
  for (const Machine& machine : machines_) WriteHosts(machine);
}

void Lan::WriteHosts(const Machine& machine) const {
  std::string text = "127.0.0.1 localhost\n";
  for (const auto& [name, addresses] : names_) {
    for (const std::string& address : addresses) text += address + " " + name + "\n";
  }
  WriteFile(HostsDirectory(machine.name_) + "/hosts", text);
}

}  // namespace pipedup::test
