#include "programs/relay_journals.h"

#include <algorithm>
#include <charconv>
#include <string_view>
#include <utility>

#include "base/clock.h"
#include "base/error.h"
#include "base/text.h"
#include "os/file.h"
#include "os/process.h"

namespace pipedup {
namespace {

constexpr const char* kEnded = " ended";
constexpr std::size_t kSessionDigits = 16;

/// As Hex writes it; 0 if it is none.
SessionId ParseSession(std::string_view text) {
  SessionId session = 0;
  const char* const end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, session, 16);
  return error == std::errc() && stopped == end && Hex(session) == text ? session : 0;
}

}  // namespace

std::string RelayJournals::PathOf(SessionId session) const {
  return options_.journal + "/" + stream_ + "-" + Hex(session);
}

std::string RelayJournals::NotePath() const {
  return options_.journal + "/" + stream_ + ".session";
}

JournalOptions RelayJournals::Common(SessionId session, RecordFormat records) const {
  JournalOptions made;
  made.session = session;
  made.readers = options_.journal_group ? Readers::kGroup : Readers::kNobody;
  made.records = records;
  made.retain_bytes = options_.retain_bytes;
  made.retain_age = options_.retain_age;
  made.wall_clock = WallNow;
  made.warn = [&reporter = reporter_](const std::string& text) {
    reporter.Warn("journal", text);
  };
  return made;
}

JournalOptions::Durable RelayJournals::DurableOptions() const {
  return {.stream = stream_,
          .sync = options_.sync,
          .sync_interval = options_.sync_interval,
          .boot = BootId(),
          .copy = true};
}

// ---- what was kept ----

std::optional<KeptJournal> RelayJournals::TakeLast() {
  if (options_.journal.empty()) return std::nullopt;
  std::string why;
  std::optional<std::string> note = ReadRegularFile(NotePath(), &why);
  if (!note) return std::nullopt;
  while (note->ends_with('\n')) note->pop_back();
  last_had_ended_ = note->ends_with(kEnded);
  last_ = ParseSession(std::string_view(*note).substr(0, kSessionDigits));
  if (last_ == 0) {
    keep_all_ = true;
    reporter_.Warn("journal", "journal: " + NotePath() + ": says of no session");
    return std::nullopt;
  }
  const std::string path = PathOf(last_);
  const std::optional<JournalLabel> label = ReadJournalLabel(path, &why);
  if (!label || label->session != last_) {
    reporter_.Warn("journal", "journal: what was kept of stream '" + stream_ +
                                  "' cannot be used: " + (label ? path : why));
    return std::nullopt;
  }
  try {
    KeptJournal kept = Open(last_, Common(last_, label->records));
    if (kept.journal->tail() < kept.journal->head()) return kept;
  } catch (const Error& error) {
    unusable_ = last_;
    reporter_.Warn("journal", error.what());
  }
  return std::nullopt;
}

KeptJournal RelayJournals::Open(SessionId session, JournalOptions made) {
  KeptJournal kept;
  kept.directory.emplace(JournalDirectory::OnDisk(PathOf(session), options_.journal_group));
  made.directory = kept.directory->path();
  made.durable = DurableOptions();
  kept.journal = std::make_unique<Journal>(std::move(made));
  return kept;
}

// ---- what begins ----

KeptJournal RelayJournals::Make(const control::Welcome& session, Position begin) {
  JournalOptions options = Common(session.session, session.records);
  for (const control::Past& past : session.past) {
    options.past.push_back({past.session, past.end});
  }
  KeptJournal kept = options_.journal.empty() ? MakeInMemory(options) : MakeOnDisk(options);
  kept.journal->Skip(begin, 0, "");
  return kept;
}

// A disk that fails shortens what is kept, and stops no stream.
KeptJournal RelayJournals::MakeOnDisk(JournalOptions made) {
  const SessionId session = made.session;
  try {
    // Something may be there, of positions that do not lead to where it begins now.
    if (session == unusable_ || !Remove(session)) {
      throw Error("journal: " + PathOf(session) + ": is in use, or no journal of that session");
    }
    if (!keep_all_) RemoveAllBut(session, last_);
    KeptJournal kept = Open(session, made);
    WriteNote(session, false);
    return kept;
  } catch (const Error& error) {
    reporter_.Warn("journal", std::string(error.what()) + "; what comes now is kept in memory");
  }
  return MakeInMemory(std::move(made));
}

KeptJournal RelayJournals::MakeInMemory(JournalOptions made) {
  KeptJournal kept;
  const std::string name =
      stream_ + "-" + Hex(made.session) + "-" + std::to_string(ProcessId());
  if (auto directory = JournalDirectory::Create(RuntimeDirectories(), name, made.warn,
                                                options_.journal_group)) {
    kept.directory.emplace(std::move(*directory));
    made.directory = kept.directory->path();
  } else {
    reporter_.Warn("journal", "journal: no directory can hold it; it stays in private memory");
  }
  kept.journal = std::make_unique<Journal>(std::move(made));
  return kept;
}

/// Whatever is kept of `session`, if that is what is there. False if it is not, or in use.
bool RelayJournals::Remove(SessionId session) const {
  const std::string path = PathOf(session);
  std::string why;
  const std::optional<JournalLabel> label = ReadJournalLabel(path, &why);
  const bool ours = label && label->session == session && label->stream == stream_;
  const bool empty = std::ranges::all_of(
      ListDirectory(path), [](const std::string& name) { return name == "lock"; });
  return (ours || empty) && JournalDirectory::RemoveOnDisk(path);
}

void RelayJournals::NoteEnd(SessionId session) {
  if (!options_.journal.empty() && session == last_) WriteNote(session, true);
}

void RelayJournals::WriteNote(SessionId session, bool ended) {
  last_ = session;
  const int error = ReplaceFile(NotePath(), Hex(session) + (ended ? kEnded : "") + "\n",
                                Readers::kNobody, true);
  if (error == 0) return;
  reporter_.Warn("journal", "journal: write to '" + NotePath() + "': " + ErrnoText(error) +
                                "; a restart of this relay will not go on from there");
}

void RelayJournals::RemoveAllBut(SessionId one, SessionId other) const {
  for (const std::string& name : ListDirectory(options_.journal)) {
    if (name.size() != stream_.size() + 1 + kSessionDigits || !name.starts_with(stream_ + "-"))
      continue;
    const SessionId session = ParseSession(name.substr(stream_.size() + 1));
    if (session == 0 || session == one || session == other) continue;
    (void)Remove(session);  // or it is being read
  }
}

}  // namespace pipedup
