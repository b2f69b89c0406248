// A connection to a control socket, for questions that need no membership.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "base/endpoint.h"
#include "net/loop.h"
#include "net/socket.h"
#include "wire/control.h"

namespace pipedup {

/// Connects at once, and again in the background. Everything must outlive it. One thread.
class QuestionLink {
 public:
  /// Called from the loop, for each message that can be read.
  using OnAnswer = std::function<void(const control::Message& answer)>;

  QuestionLink(Context& context, EventLoop& loop, Endpoint endpoint, OnAnswer on_answer);
  ~QuestionLink();
  QuestionLink(const QuestionLink&) = delete;
  QuestionLink& operator=(const QuestionLink&) = delete;

  const Endpoint& endpoint() const { return endpoint_; }
  /// May be lost without a word: it is the caller who asks again.
  void Ask(const control::Message& question);
  /// Another connection in place of one that is silent; of a name, by the other family of
  /// addresses. Not from OnAnswer.
  void Remake();
  TimePoint connected() const { return connected_; }
  /// When something came over this or an earlier connection; when it was made, if never.
  TimePoint last_heard() const { return last_heard_; }
  /// Something came over this one.
  bool heard() const { return last_heard_ > connected_; }

 private:
  void Connect();
  void Receive();

  Context& context_;
  EventLoop& loop_;
  const Endpoint endpoint_;
  const OnAnswer on_answer_;
  std::optional<Socket> socket_;
  EventLoop::WatchId watch_ = 0;
  std::vector<Message> frames_;
  TimePoint connected_{};
  TimePoint last_heard_;
  bool ipv6_;
};

}  // namespace pipedup
