// Several machines on one desk: network namespaces, each with a cable to a switch, addresses
// that come and go, and names that all of them know.
#pragma once

#include <list>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "support/programs.h"

namespace pipedup::test {

class Lan;

/// One of them. Made by Lan::Add, and gone with the Lan.
class Machine {
 public:
  explicit Machine(std::string name) : name_(std::move(name)) {}
  Machine(const Machine&) = delete;
  Machine& operator=(const Machine&) = delete;

  /// What runs a program on it: put these words in front of its own.
  Words Here() const { return {"ip", "netns", "exec", name_}; }

  /// The addresses that it has, in the order in which they came.
  const std::vector<std::string>& addresses() const { return addresses_; }
  /// Usable at once. IPv4 or IPv6, within Lan::Address4 and Address6.
  void AddAddress(const std::string& address);
  /// Whoever talks to it is not told.
  void RemoveAddress(const std::string& address);

  /// Every packet on its cable is dropped, both ways: nobody is told.
  void Unplug();
  /// The same, of what goes between it and the addresses that the other one has now.
  void CutOffFrom(const Machine& other);
  /// Mends all of that.
  void PlugIn();

 private:
  friend class Lan;

  const std::string name_;  // of its namespace
  std::vector<std::string> addresses_;
};

/// A switch and the machines on it; all is removed in the end, with what still runs there.
/// Names of namespaces have this process' id in them. Needs root. Throws std::runtime_error if
/// one of the commands that it is made with fails.
class Lan {
 public:
  /// Why there can be none here; "" if there can.
  static std::string WhyNot();

  Lan();
  ~Lan();
  Lan(const Lan&) = delete;
  Lan& operator=(const Lan&) = delete;

  /// One more, with the address Address4(number) where `number` is 1 for the first one.
  Machine& Add();
  /// Addresses of the net: 198.18.77.HOST and fd77::HOST. HOST is 1 to 254.
  static std::string Address4(int host);
  static std::string Address6(int host);

  /// What every machine's /etc/hosts says of the name from now on; no address: nothing.
  void SetName(const std::string& name, const std::vector<std::string>& addresses);

 private:
  void WriteHosts(const Machine& machine) const;

  const std::string switch_;  // its namespace
  std::list<Machine> machines_;
  std::map<std::string, std::vector<std::string>> names_;
};

}  // namespace pipedup::test
