// A cluster's log, as a subscriber asks for it: what a publisher answers, from a thread of its
// own.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <variant>

#include "nats/log.h"
#include "wire/control.h"

namespace pipedup::nats {

/// What an owner takes at a time, before its loop looks at others.
inline constexpr int kResultsPerCall = 64;

/// Orders come from one thread, which also takes what came of them.
class LogReader {
 public:
  struct Hello {
    std::optional<std::string> stream = {};  ///< it must have that name, or match that pattern
  };
  /// What is newer than the newest message, as it comes, and a head now and then.
  struct Live {
    bool on = false;
  };
  using Order = std::variant<Hello, control::Read, Live>;

  struct Block {
    BlockHeader header;
    SharedBytes bytes;
    bool live = false;
  };
  struct Damage {
    std::uint64_t sequence = 0;
  };
  /// It cannot be read. It is tried again, at another server.
  struct Away {
    std::string why;
  };
  using Result = std::variant<control::Welcome, control::Refused, control::Done, control::Error,
                              Block, Damage, Away>;

  /// `notify`: called in its thread when there are results.
  LogReader(LogOptions options, std::function<void()> notify);
  ~LogReader();
  LogReader(const LogReader&) = delete;
  LogReader& operator=(const LogReader&) = delete;

  void Tell(Order order);
  /// Nothing more comes, and nothing is asked any more. Does not wait, as the destructor does
  /// for what is under way: 2 s for each server, if none answers.
  void Stop();
  /// Forgets all orders, and what came of them; connects anew, to any server.
  void Reset();
  /// The next result, if there is one.
  std::optional<Result> Take();

 private:
  struct Interrupted {};  // thrown: stopped, or reset

  void Run();
  void Serve();
  bool HasOrders() const;
  std::optional<Order> NextOrder();
  void Obey(const Order& order);
  void OnHello(const Hello& hello);
  void OnRead(control::Read read);
  void OnLive(bool on);
  void ReadLive();
  void Post(Result result);
  void PostHead(bool live);
  void Wait(TimePoint deadline);
  void Refresh();
  void FindLast();
  Position head() const;
  Position tail();
  bool ended() const;

  std::optional<Entry> Fetch(std::uint64_t sequence, std::uint64_t behind);
  std::optional<Entry> SoundFrom(std::uint64_t sequence);
  template <typename IsBefore>
  std::uint64_t FirstThatIsNot(IsBefore is_before);
  std::uint64_t FindSequence(Position at);
  std::optional<Position> FindLastRecords(std::uint64_t count);
  Position FindSince(std::int64_t time_ns);
  BlockHeader HeaderOf(const Entry& entry) const;

  const LogOptions options_;
  const std::function<void()> notify_;
  const std::shared_ptr<Mailbox> mailbox_ = std::make_shared<Mailbox>();

  mutable std::mutex mutex_;
  std::deque<Order> orders_;
  std::deque<Result> results_;
  std::uint64_t result_bytes_ = 0;
  bool reset_ = false;
  bool stopped_ = false;

  // The thread's, of the connection that there is:
  std::unique_ptr<Connection> connection_;
  std::unique_ptr<Log> log_;
  std::string inbox_;
  LogState state_;
  std::optional<Entry> last_;                              // the newest block
  SessionId session_ = 0;                                  // as the last welcome said
  std::map<std::uint64_t, std::optional<Message>> asked_;  // by sequence, and what came
  std::uint64_t damage_said_ = 0;  // no message behind it is damaged, as far as was said
  bool live_ = false;
  std::uint64_t live_next_ = 0;
  TimePoint refreshed_{};  // state_, or a head of the publisher came
  struct ReadPoint {
    Position position = 0;
    std::uint64_t sequence = 0;  // of the message that begins there, or is the first behind it
  };
  std::deque<ReadPoint> read_points_;  // where the last few reads ended
  std::thread thread_;
};

}  // namespace pipedup::nats
