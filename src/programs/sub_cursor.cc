#include "programs/sub_cursor.h"

#include <algorithm>
#include <utility>

#include "base/checksum.h"
#include "base/error.h"
#include "base/text.h"
#include "os/file.h"
#include "os/io.h"
#include "os/process.h"

namespace pipedup {
namespace {

constexpr std::size_t kIdBytes = 8;

/// The output, if it is a regular file and takes the stream itself.
std::optional<OutputFile> FindOutputFile(const SubscribeOptions& options) {
  if (!options.consumer.empty() || !options.exec.empty()) return std::nullopt;
  const auto found = IdentifyFile(options.output);
  if (!found) return std::nullopt;
  return OutputFile{found->device, found->inode, found->bytes};
}

bool HasLabels(const SubscribeOptions& options) {
  return options.prefix || options.timestamps;
}

std::uint64_t Boot() {
  return Checksum(AsBytes(BootId()));
}

std::string Named(const SubscribeOptions& options) {
  return "cursor '" + Escape(*options.cursor) + "': ";
}

}  // namespace

std::unique_ptr<SubCursor> SubCursor::Open(const SubscribeOptions& options,
                                           Reporter& reporter) {
  if (!options.cursor) return nullptr;
  return std::unique_ptr<SubCursor>(new SubCursor(options, reporter));
}

SubCursor::SubCursor(const SubscribeOptions& options, Reporter& reporter)
    : options_(options), reporter_(reporter), file_(*options.cursor) {
  if (file_.damaged()) {
    reporter_.Warn("cursor", Named(options_) + "damaged; it begins anew, as --from says");
  }
  if (file_.loaded()) {
    cursor_ = *file_.loaded();
  } else {
    cursor_.id = RandomHex(kIdBytes);
  }
  if (cursor_.session != 0 && options_.stream && *options_.stream != cursor_.stream) {
    throw Error(Named(options_) + "of stream '" + cursor_.stream + "', not of '" +
                    Escape(*options_.stream) + "' (-s)",
                kExitUsage);
  }
  Resume();
  if (const int error = file_.Store(cursor_); error != 0) {
    throw Error(Named(options_) + ErrnoText(error));
  }
}

void SubCursor::Resume() {
  std::optional<OutputFile> output = FindOutputFile(options_);
  ResumePlan plan = PlanResume(cursor_, output, Boot());
  if (plan.repeated_to && options_.exec.size() > 1)
    plan.why = "consumers had not taken as much as others";
  if (output) {
    int error = 0;
    if (plan.truncate_to) error = TruncateFile(options_.output, *plan.truncate_to);
    if (error == 0) error = SeekToEnd(options_.output);
    if (error != 0) throw Error("the output: " + ErrnoText(error));
    output = FindOutputFile(options_);
  }
  cursor_.boot = Boot();
  cursor_.position = plan.position;
  cursor_.ended = cursor_.ended && plan.why.empty();
  cursor_.write.reset();
  const bool other_labels = cursor_.file && cursor_.file->labelled != HasLabels(options_);
  const bool new_stretch = plan.new_base || other_labels || !cursor_.file || !output;
  if (!output) {
    cursor_.file.reset();
  } else if (new_stretch) {
    cursor_.file = Cursor::File{};
    cursor_.file->device = output->device;
    cursor_.file->inode = output->inode;
    BeginStretch(plan.position, output->length);
  } else {
    cursor_.file->length = output->length;
  }
  if (cursor_.session == 0) return;
  resumption_ = Resumption{cursor_.session, cursor_.position};
  since_ = cursor_.position;
  streams_[cursor_.session] = cursor_.stream;
  if (plan.repeated_to) {
    reporter_.Warn("repeated",
                   Named(options_) + plan.why + ": positions " + std::to_string(plan.position) +
                       " to " + std::to_string(*plan.repeated_to) +
                       " are written again, and may come twice",
                   {{"stream", cursor_.stream},
                    {"session", Hex(cursor_.session)},
                    {"from", plan.position},
                    {"to", *plan.repeated_to},
                    {"reason", plan.why}});
  } else if (!plan.why.empty()) {
    reporter_.Warn("cursor", Named(options_) + plan.why);
  }
}

std::optional<std::string> SubCursor::stream() const {
  if (cursor_.session == 0) return std::nullopt;
  return cursor_.stream;
}

std::uint64_t SubCursor::failures() const {
  const std::lock_guard lock(mutex_);
  return failures_;
}

bool SubCursor::OnGone(const control::Welcome& now) {
  const std::lock_guard lock(mutex_);
  const std::string text = Named(options_) + "its session " + Hex(cursor_.session) +
                           (cursor_.ended ? " has ended" : " is gone") +
                           ", the publisher has " + Hex(now.session) +
                           ": it begins as --from says";
  const Fields fields = {{"stream", now.stream},
                         {"session", Hex(now.session)},
                         {"old_session", Hex(cursor_.session)},
                         {"old_position", cursor_.position},
                         {"old_ended", cursor_.ended}};
  if (cursor_.ended) {
    reporter_.Info("session-gone", text, fields);
  } else {
    reporter_.Warn("session-gone",
                   text + "; what came behind position " + std::to_string(cursor_.position) +
                       " of the old one is missing",
                   fields);
  }
  return cursor_.ended;
}

void SubCursor::OnBegin(const control::Welcome& session, Position position) {
  const std::lock_guard lock(mutex_);
  streams_[session.session] = session.stream;
  // Once something was written, the next write says where it stands, and not before.
  if (noted_) return;
  if (session.session != cursor_.session || position != cursor_.position) {
    BeginSession(session.session, position);
    if (cursor_.file) BeginStretch(position, OutputBytes());
  }
  Store();
}

void SubCursor::Note(const WriteNote& note) {
  const std::lock_guard lock(mutex_);
  noted_ = true;
  const std::uint64_t bytes = cursor_.file ? OutputBytes() : 0;
  const std::uint64_t length = bytes - std::min(bytes, note.written);
  const bool seam = note.session != cursor_.session || note.position < cursor_.position ||
                    (note.to > note.position && note.position != cursor_.position);
  if (note.session != cursor_.session) BeginSession(note.session, note.position);
  if (seam) since_ = note.position;
  cursor_.position = note.position;
  cursor_.ended = false;
  cursor_.write.reset();
  if (note.to > note.position) cursor_.write = Cursor::Write{note.to, note.bytes};
  if (cursor_.file) {
    cursor_.file->length = length;
    // Bytes of the session are left out in the file, or bytes of somebody else's are in it.
    const bool linear = cursor_.file->labelled || length - cursor_.file->base_length ==
                                                      note.position - cursor_.file->base;
    if (seam || !linear || length < cursor_.file->base_length) {
      BeginStretch(note.position, length);
    }
  }
  Store();
}

void SubCursor::Settle(SessionId session, Position position, bool ended) {
  const std::lock_guard lock(mutex_);
  if (cursor_.write) return;  // a piece that was cut short: it is written again
  if (session != cursor_.session) {
    BeginSession(session, position);
  } else if (position < cursor_.position ||
             (position == cursor_.position && ended == cursor_.ended)) {
    return;
  }
  const bool seam = position != cursor_.position || session != cursor_.session;
  cursor_.position = position;
  cursor_.ended = ended;
  if (cursor_.file && seam) BeginStretch(position, OutputBytes());
  Store();
}

void SubCursor::GoBack(std::uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  if (bytes == 0 || cursor_.write || cursor_.file || cursor_.position <= since_) return;
  cursor_.position -= std::min(bytes, cursor_.position - since_);
  cursor_.ended = false;
  Store();
}

void SubCursor::BeginSession(SessionId session, Position position) {
  cursor_.session = session;
  cursor_.stream = streams_[session];
  cursor_.position = position;
  cursor_.ended = false;
  since_ = position;
  if (cursor_.file) BeginStretch(position, OutputBytes());
}

/// From here on the file holds the session without a seam.
void SubCursor::BeginStretch(Position position, std::uint64_t length) {
  cursor_.file->length = length;
  cursor_.file->base = position;
  cursor_.file->base_length = length;
  cursor_.file->labelled = HasLabels(options_);
}

std::uint64_t SubCursor::OutputBytes() const {
  return FileBytes(options_.output);
}

void SubCursor::Store() {
  const int error = file_.Store(cursor_);
  if (error == 0) return;
  if (failures_++ > 0) return;
  reporter_.Warn("cursor", Named(options_) + ErrnoText(error) +
                               "; the stream goes on, and may be repeated from position " +
                               std::to_string(cursor_.position) + " after a kill");
}

}  // namespace pipedup
