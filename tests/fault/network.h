// Two machines on one desk: network namespaces with a cable between them, which can be
// unplugged.
#pragma once

#include <string>
#include <vector>

#include "support/programs.h"

namespace pipedup::test {

/// Namespaces for a publisher and a subscriber, joined by a pair of veth interfaces; removed
/// with all that is in them. Names have this process' id in them. Needs root.
class TwoMachines {
 public:
  /// Why there can be none here; "" if there can.
  static std::string WhyNot();

  /// Throws std::runtime_error if one of the commands fails.
  TwoMachines();
  ~TwoMachines();
  TwoMachines(const TwoMachines&) = delete;
  TwoMachines& operator=(const TwoMachines&) = delete;

  /// What runs a program on one of them: put these words in front of its own.
  Words OnPublisher() const { return {"ip", "netns", "exec", publisher_}; }
  Words OnSubscriber() const { return {"ip", "netns", "exec", subscriber_}; }

  /// The name under which the subscriber's machine knows the publisher.
  std::string name() const { return "publisher.test"; }

  /// Every packet is dropped, both ways: nobody is told.
  void Unplug();
  void PlugIn();
  /// The publisher's machine gets another address, and the name leads there.
  void ChangeAddress();

 private:
  void Run(const std::string& command) const;
  void WriteHosts() const;

  const std::string publisher_;
  const std::string subscriber_;
  int address_ = 1;
};

}  // namespace pipedup::test
