// Where a relay keeps a stream: in memory, or on disk, where the next process finds it.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/units.h"
#include "journal/directory.h"
#include "journal/journal.h"
#include "pipedup/reporter.h"
#include "programs/pub_options.h"
#include "wire/control.h"

namespace pipedup {

/// A session's journal, and the directory that it is in; none: private memory.
struct KeptJournal {
  std::optional<JournalDirectory> directory;
  std::unique_ptr<Journal> journal;
};

/// The journals of one stream, one for each session. On disk (--journal DIR) they are
/// DIR/STREAM-SESSION, and DIR/STREAM.session says which was the last: that is what the next
/// process goes on with. The session before it stays for whoever wants to look; older ones are
/// removed. All must outlive it.
class RelayJournals {
 public:
  RelayJournals(const PubOptions& options, Reporter& reporter, std::string stream)
      : options_(options), reporter_(reporter), stream_(std::move(stream)) {}

  /// What an earlier process has kept of the last session. Nothing if that was nothing, or
  /// cannot be used, which is said.
  std::optional<KeptJournal> TakeLast();
  /// The last session had ended, as far as the process that TakeLast has found knew.
  bool last_had_ended() const { return last_had_ended_; }

  /// An empty one for `session`, which begins at `begin`: in memory if the disk cannot have it,
  /// which is said.
  KeptJournal Make(const control::Welcome& session, Position begin);
  /// The session that was made or taken last has ended.
  void NoteEnd(SessionId session);

 private:
  JournalOptions Common(SessionId session, RecordFormat records) const;
  KeptJournal Open(SessionId session, JournalOptions made);
  KeptJournal MakeOnDisk(JournalOptions made);
  KeptJournal MakeInMemory(JournalOptions made);
  bool Remove(SessionId session) const;
  std::string PathOf(SessionId session) const;
  std::string NotePath() const;
  void WriteNote(SessionId session, bool ended);
  void RemoveAllBut(SessionId one, SessionId other) const;
  JournalOptions::Durable DurableOptions() const;

  const PubOptions& options_;
  Reporter& reporter_;
  const std::string stream_;
  SessionId last_ = 0;  // that the note speaks of
  bool last_had_ended_ = false;
  SessionId unusable_ = 0;  // what is there of it is not touched
  bool keep_all_ = false;   // nobody knows which was the last
};

}  // namespace pipedup
