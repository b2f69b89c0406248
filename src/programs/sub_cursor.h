// --cursor: where a subscriber goes on, and what it notes on the way.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "consume/write_notes.h"
#include "journal/cursor_file.h"
#include "journal/cursor_resume.h"
#include "pipedup/reporter.h"
#include "pipedup/subscribe.h"
#include "subscribe/modes.h"
#include "wire/control.h"

namespace pipedup {

/// Holds the cursor for one run. Notes may come from any thread. One that cannot be written is
/// said once and counted, and the stream goes on.
class SubCursor final : public WriteNotes {
 public:
  /// None without --cursor. Reads the cursor, compares it with the output, brings the output to
  /// where it goes on, and says what is unusual about that. Throws Error if the cursor cannot
  /// be used. `options` and `reporter` outlive it.
  static std::unique_ptr<SubCursor> Open(const SubscribeOptions& options, Reporter& reporter);

  /// What the publisher knows this subscriber by.
  const std::string& id() const { return cursor_.id; }
  /// The stream that was read; nothing if none was.
  std::optional<std::string> stream() const;
  std::optional<Resumption> resumption() const { return resumption_; }

  /// The next one takes the place of a session that is gone. Whether that had ended, and so
  /// nothing of it is missing.
  [[nodiscard]] bool OnGone(const control::Welcome& now);
  void OnBegin(const control::Welcome& session, Position position);
  void Note(const WriteNote& note) override;
  /// At the end of a run whose output has taken everything: every byte before `position` was
  /// written or reported lost. `ended`: and the stream has ended there.
  void Settle(SessionId session, Position position, bool ended);
  /// Of what was written, the last `bytes` bytes were taken by nobody.
  void GoBack(std::uint64_t bytes);

  /// Notes that could not be written.
  std::uint64_t failures() const;

 private:
  SubCursor(const SubscribeOptions& options, Reporter& reporter);
  void Resume();
  void BeginStretch(Position position, std::uint64_t length);
  void BeginSession(SessionId session, Position position);
  std::uint64_t OutputBytes() const;
  void Store();

  const SubscribeOptions& options_;
  Reporter& reporter_;
  CursorFile file_;
  std::optional<Resumption> resumption_;

  mutable std::mutex mutex_;  // for what follows
  Cursor cursor_;
  std::map<SessionId, std::string> streams_;  // of the sessions of this run
  bool noted_ = false;                        // something was, in this run
  Position since_ = 0;                        // without a seam, in this run
  std::uint64_t failures_ = 0;
};

}  // namespace pipedup
