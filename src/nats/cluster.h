// A NATS cluster as programs reach it: connection, messages, requests. The only place for
// <nats.h>.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/units.h"

struct __natsConnection;
struct __natsMsg;
struct __natsSubscription;

namespace pipedup::nats {

/// Where a cluster is, and how it lets one in. Files are read when a connection is made.
struct ClusterOptions {
  std::vector<std::string> servers;  ///< "host" or "host:port"; any of them will do
  std::string user;
  std::string password;
  std::string creds_file;  ///< user JWT and its key, as nsc writes them
  std::string nkey_file;   ///< a seed and its public key, as nk -gen user -pubout writes them
  bool tls = false;
  std::string ca_file;  ///< whose servers are trusted; empty: those of the system
  std::string cert_file;
  std::string key_file;
  std::string name;  ///< of this client, for the cluster's own monitoring
};

using Headers = std::vector<std::pair<const char*, std::string>>;

/// What came. Its memory is the library's.
class Message {
 public:
  Message() = default;
  explicit Message(__natsMsg* message);
  /// Copies everything. Throws Error if the library does not take it: an empty subject.
  Message(const std::string& subject, const Headers& headers, ByteSpan data);

  std::string_view subject() const;
  /// The value of a header; nothing if there is none of that name.
  std::optional<std::string> Header(const char* name) const;
  /// Good for as long as a copy of this, or what Share returned, lives.
  ByteSpan data() const;
  SharedBytes Share() const { return {message_, data()}; }

 private:
  std::shared_ptr<__natsMsg> message_;
};

/// Where one thread waits for messages, and for word from other threads.
class Mailbox {
 public:
  struct Letter {
    std::uint64_t tag = 0;  ///< of the subscription
    Message message;
  };

  /// Any thread.
  void Put(Letter letter);
  /// Any thread: the next Take, or the one that waits, returns at once.
  void Wake();
  /// The next letter; nothing at `deadline`, or when somebody woke it.
  std::optional<Letter> Take(TimePoint deadline);
  /// The next letter, if there is one.
  std::optional<Letter> TryTake();

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Letter> letters_;
  bool woken_ = false;
};

/// One connection to one server of a cluster. It does not connect anew by itself: whoever has
/// it knows best where to go on. One thread.
class Connection {
 public:
  /// Tries the servers in any order, 2 s each. Throws Error: nobody was there, or let us in.
  Connection(const ClusterOptions& options, std::shared_ptr<Mailbox> mailbox);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  /// It has ended: the server has died, or has been silent for some seconds.
  bool closed() const;
  /// The server that it is to, for people.
  std::string server() const;
  /// Largest message that the server takes, headers included.
  std::size_t max_bytes() const;

  /// What comes for `subject` goes to the mailbox, with `tag`. Throws Error.
  void Subscribe(const std::string& subject, std::uint64_t tag);
  /// A name that nobody else has: for answers.
  static std::string NewInbox();
  /// Copies it to where it is sent from. `reply` may be empty. Throws Error if the connection
  /// has ended.
  void Publish(const std::string& subject, const std::string& reply, const Headers& headers,
               ByteSpan data);
  /// Waits for one answer; nothing if none came in time. Throws Error if nobody serves the
  /// subject, or the connection has ended.
  std::optional<Message> Request(const std::string& subject, const Headers& headers,
                                 ByteSpan data, Duration patience);

 private:
  std::shared_ptr<Mailbox> mailbox_;
  __natsConnection* connection_ = nullptr;
  std::vector<__natsSubscription*> subscriptions_;
};

}  // namespace pipedup::nats
