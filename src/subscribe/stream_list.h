// Asks an endpoint, now and then, which streams it has.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "base/endpoint.h"
#include "net/loop.h"
#include "net/socket.h"
#include "subscribe/question_link.h"
#include "wire/control.h"

namespace pipedup {

/// Whether `name` is one that `pattern` means: `*` stands for any text, `?` for one character.
[[nodiscard]] bool MatchesPattern(std::string_view pattern, std::string_view name);
/// It has a `*` or a `?`, which no name of a stream has.
[[nodiscard]] bool IsPattern(std::string_view text);

/// Everything must outlive it. One thread.
class StreamList {
 public:
  /// Called from the loop, for each stream in each answer.
  using OnStream = std::function<void(const control::ListedStream& stream)>;
  /// The publisher does not know that question: it has one stream, which is not named.
  using OnUnknown = std::function<void()>;

  StreamList(Context& context, EventLoop& loop, Endpoint endpoint, Duration dead_after,
             OnStream on_stream, OnUnknown on_unknown);
  ~StreamList();

  const Endpoint& endpoint() const { return link_.endpoint(); }
  /// When it answered last; when it was made, if never.
  TimePoint last_heard() const { return link_.last_heard(); }
  /// Everything has been told, once.
  bool complete() const { return complete_; }

 private:
  void Ask(std::string after);
  void OnAnswer(const control::Message& answer);
  void Tick();

  EventLoop& loop_;
  const Duration dead_after_;
  const OnStream on_stream_;
  const OnUnknown on_unknown_;
  QuestionLink link_;
  EventLoop::TimerId tick_ = 0;
  std::string asked_after_;
  bool complete_ = false;
};

}  // namespace pipedup
