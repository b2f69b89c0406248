#include "journal/cursor_file.h"

#include <array>
#include <chrono>
#include <thread>
#include <utility>

#include "base/clock.h"
#include "base/error.h"
#include "base/text.h"
#include "os/file.h"
#include "os/io.h"
#include "os/process.h"

namespace pipedup {
namespace {

// A process that was killed holds its locks until its memory has been freed.
constexpr auto kDyingTakes = std::chrono::seconds(1);
constexpr auto kLookEvery = std::chrono::milliseconds(10);

bool WaitForLock(int fd) {
  const TimePoint deadline = Clock::now() + kDyingTakes;
  while (!TryLock(fd)) {
    if (Clock::now() >= deadline) return false;
    std::this_thread::sleep_for(kLookEvery);
  }
  return true;
}

}  // namespace

CursorFile::CursorFile(const std::string& path) {
  const std::string name = "cursor '" + Escape(path) + "': ";
  int error = 0;
  fd_ = OpenOrCreate(path, &error);
  if (!fd_) throw Error(name + ErrnoText(error));
  if (!IdentifyFile(fd_.get())) throw Error(name + "not a regular file");
  const bool locked = WaitForLock(fd_.get());
  std::array<std::byte, kCursorBytes + 1> content;
  ParsedCursor parsed = ParseCursor(ByteSpan(content).first(ReadAt(fd_.get(), content, 0)));
  if (!locked) {
    throw Error(
        name + "held by " +
        (parsed.holder == 0 ? "another process" : "process " + std::to_string(parsed.holder)) +
        ": one subscriber at a time can use it");
  }
  if (parsed.foreign) {
    throw Error(name + "the file is something else; name another one, or remove it");
  }
  loaded_ = std::move(parsed.cursor);
  damaged_ = parsed.damaged;
  number_ = parsed.number;
  const std::string header = EncodeCursorHeader(ProcessId());
  const IoResult result = WriteAt(fd_.get(), AsBytes(header), 0);
  if (result.status != IoStatus::kOk) throw Error(name + ErrnoText(result.error));
}

int CursorFile::Store(const Cursor& cursor) {
  const std::string slot = EncodeCursorSlot(cursor, ++number_);
  const IoResult result = WriteAt(fd_.get(), AsBytes(slot), CursorSlotOffset(number_));
  if (result.status == IoStatus::kOk) return 0;
  --number_;  // the slot that may be torn now is the next one again
  return result.error;
}

}  // namespace pipedup
