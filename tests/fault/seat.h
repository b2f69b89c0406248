// A subscriber of a run, over all its lives, with its outputs and the proxy in front of it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "fault/account.h"
#include "fault/place.h"
#include "fault/proxy.h"
#include "fault/schedule.h"
#include "os/fd.h"
#include "support/programs.h"

namespace pipedup::test {

class Seat {
 public:
  Seat(const Schedule& schedule, const Broken& broken, const Place& place, std::size_t index,
       std::uint16_t publisher_port);

  const SubscriberPlan& plan() const { return plan_; }
  /// As it is known to the publisher.
  std::string name() const { return "subscriber" + std::to_string(index_); }
  Proxy* proxy() { return proxy_.get(); }

  /// What was done to its cursor while it was down may make the next life begin anew.
  void NoteDamage() { damaged_ = true; }
  /// A new life. With a cursor its output goes on, else it has one of its own.
  void Start();
  /// Takes what a pipe holds.
  void Drain();
  /// Bytes that its first output has got in this life, and with a cursor before.
  std::uint64_t delivered() const;
  /// The program of this life has ended, and has not been waited for yet.
  bool HasJustEnded() const { return program_ != nullptr && HasEnded(program_->pid()); }
  bool running() const { return program_ != nullptr; }
  bool Said(const char* event) const { return program_ != nullptr && program_->said(event); }
  /// It has read to the end of the session that it reads, and said so.
  bool AtEnd() const;

  void Signal(int number) const { program_->Signal(number); }
  void Kill();
  /// To whoever reads: a consumer, or the test itself where it reads a pipe.
  void SignalConsumer(std::size_t consumer, int number);
  /// Ends a life that would not end by itself.
  void CutShort();

  /// Waits for the program that has ended, and keeps what it did.
  void FinishLife(bool publisher_gone);
  /// The life that has ended was ended by a fault.
  bool WasKilled() const { return lives_.back().killed; }
  const std::vector<Life>& lives() const { return lives_; }
  /// Position of `session` that it has reached, as far as it has said.
  std::uint64_t Reached(const std::string& session);
  std::string cursor() const { return directory_ + "/cursor"; }
  const std::string& directory() const { return directory_; }
  const std::vector<std::string>& violations() const { return violations_; }
  std::string log() const;

 private:
  Command MakeCommand();
  std::string GiveUp() const;
  void OpenOutputs();
  std::string OutputPath(std::size_t output) const;
  std::string Delivered(std::size_t output) const;
  Life MakeLife() const;

  const Schedule& schedule_;
  const SubscriberPlan& plan_;
  const Broken& broken_;
  const std::size_t index_;
  const std::string directory_;
  const Place& place_;
  std::unique_ptr<Proxy> proxy_;
  std::string endpoint_;

  std::unique_ptr<Program> program_;
  bool killed_ = false;
  bool cut_short_ = false;
  bool damaged_ = false;
  bool reads_ = true;  // the test, where it is the consumer
  UniqueFd write_end_;
  UniqueFd read_end_;
  std::string piped_;
  std::vector<bool> consumer_killed_;
  std::vector<Life> lives_;
  std::vector<std::string> violations_;
};

}  // namespace pipedup::test
