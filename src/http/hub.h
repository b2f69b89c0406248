// What the loop and the threads of HTTP have in common: the streams, and what is told of them.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "http/readers.h"
#include "journal/view.h"
#include "journal/view_reader.h"
#include "os/waker.h"
#include "pipedup/types.h"
#include "wire/control.h"

namespace pipedup::http {

/// Wakes the thread that looks after those who wait. A ring costs the loop a system call only
/// if somebody waits, and once for all that comes until that thread has looked.
class Bell {
 public:
  void Ring() {
    if (armed_.load() && armed_.exchange(false)) waker_.Wake();
  }
  /// Before the look for what there is: what comes after that rings again.
  void Arm() { armed_.store(true); }
  void Wake() { waker_.Wake(); }
  void Clear() { waker_.Clear(); }
  int fd() const { return waker_.fd(); }

 private:
  std::atomic<bool> armed_{false};
  Waker waker_;
};

/// Of a stream, whatever session it has: they go on when another one takes its place.
struct ReaderCounters {
  std::atomic<std::uint64_t> readers{0};  ///< responses under way
  std::atomic<std::uint64_t> sent_bytes{0};
  std::atomic<std::uint64_t> gaps{0};
  std::atomic<std::uint64_t> gap_bytes{0};
  std::atomic<std::uint64_t> gone{0};  ///< requests to begin where nothing is kept any more
  std::atomic<std::uint64_t> out_of_reach{0};   ///< broken off, as nothing could be read
  std::atomic<std::uint64_t> cut_off{0};        ///< readers, before they had all there was
  std::atomic<std::uint64_t> cut_off_bytes{0};  ///< that they had not read
};

/// One session of a stream.
class Stream {
 public:
  enum class State : std::uint8_t {
    kOpen,
    kEnded,  ///< nothing comes after the head
    kLeft,   ///< it is no longer here, and may go on elsewhere
  };
  Stream(std::string name, std::shared_ptr<JournalView> view,
         std::shared_ptr<ReaderCounters> counters)
      : name_(std::move(name)),
        view_(std::move(view)),
        counters_(std::move(counters)),
        reader_(view_) {}

  const std::string& name() const { return name_; }
  const JournalView& view() const { return *view_; }
  State state() const { return state_.load(); }
  /// The session is over here, and another one takes its place: what of it is unread when it
  /// goes is lost.
  bool retired() const { return retired_.load(); }
  /// Of a stream that has ended: the producer's, if it is known.
  std::optional<std::uint32_t> status() const;
  ReaderCounters& counters() { return *counters_; }
  const ReaderCounters& counters() const { return *counters_; }
  Readers& readers() { return readers_; }

  /// The loop's: see JournalView.
  void Refresh(const Journal& journal) { view_->Refresh(journal); }
  /// For the thread of HTTP alone.
  ViewReader& reader() { return reader_; }

 private:
  friend class Hub;
  const std::string name_;
  const std::shared_ptr<JournalView> view_;
  std::atomic<State> state_{State::kOpen};
  std::atomic<bool> retired_{false};
  std::atomic<std::uint32_t> status_{0};
  const std::shared_ptr<ReaderCounters> counters_;
  Readers readers_;
  ViewReader reader_;
};

/// A session that was read here before another one took its place.
struct PastStream {
  Position head = 0;
  bool ended = false;  ///< nothing came after the head; else that is not known
};

/// What an answer to /stats or /metrics says.
struct Snapshot {
  std::vector<control::Stats> streams;
};

class Hub {
 public:
  // ---- the loop's ----

  /// A stream that can be read from now on. One of the same name takes the place of an older
  /// one, whose readers stay with it.
  std::shared_ptr<Stream> Add(const std::string& name, Journal& journal);
  /// `status` as it is on the wire.
  void End(Stream& stream, std::uint32_t status);
  /// Nothing more comes here, though the stream has not ended: whoever has all there is is
  /// broken off, the others may read on until Remove.
  void Leave(Stream& stream);
  /// See Stream::retired; before Leave.
  void Retire(Stream& stream) { stream.retired_.store(true); }
  /// Before its journal goes: whoever still reads it is cut off, unless it has all of it. Those
  /// who had not are counted.
  Readers::Unread Remove(const std::shared_ptr<Stream>& stream);
  /// The loop turns: to be called at least every half second.
  void Beat() { beat_.store(Clock::now().time_since_epoch().count()); }
  /// Why nobody should begin to read; "": it is ready.
  void SetNotReady(const std::string& why);

  /// Readable when somebody wants a snapshot.
  int wish_fd() const { return wish_.fd(); }
  void SetSnapshot(std::shared_ptr<const Snapshot> snapshot);

  /// Of all streams that ever were, by name.
  std::map<std::string, std::shared_ptr<ReaderCounters>> counters() const {
    const std::lock_guard lock(mutex_);
    return counters_;
  }

  // ---- of the threads of HTTP ----

  /// The newest of each name, in their order.
  std::vector<std::shared_ptr<Stream>> streams() const;
  /// A session that is still here; null if it is not.
  std::shared_ptr<Stream> Find(const std::string& name, SessionId session) const;
  /// What is known of a session that is not the newest; nothing if that is nothing.
  std::optional<PastStream> FindPast(const std::string& name, SessionId session) const;
  /// How long ago the loop turned.
  Duration SinceBeat() const;
  std::string not_ready() const;
  void WishForSnapshot() { wish_.Wake(); }
  struct Made {
    std::shared_ptr<const Snapshot> snapshot;  ///< null before the first one
    TimePoint at{};
  };
  Made snapshot() const;

  Bell& bell() { return bell_; }

 private:
  Waker wish_;
  Bell bell_;
  std::atomic<Clock::rep> beat_{0};
  mutable std::mutex mutex_;  // of all below; never held while anything is waited for
  std::vector<std::shared_ptr<Stream>> streams_;  // the newest of a name first
  std::map<std::string, std::shared_ptr<ReaderCounters>> counters_;  // by name
  struct Retired {
    std::string name;
    SessionId session = 0;
    PastStream past;
  };
  std::deque<Retired> retired_;  // that are gone, oldest first
  std::string not_ready_ = "nothing is published yet";
  Made made_;
};

}  // namespace pipedup::http
