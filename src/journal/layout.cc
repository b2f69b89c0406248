#include "journal/layout.h"

#include <array>
#include <charconv>
#include <sstream>

#include "base/text.h"
#include "os/file.h"
#include "os/io.h"

namespace pipedup {
namespace {

constexpr std::size_t kDigits = 20;
constexpr const char* kLabelName = "/journal";
constexpr const char* kMagic = "pipedup journal 1";
constexpr std::size_t kMaxLabelBytes = 256;
constexpr std::size_t kMaxSegmentBytes = std::size_t{1} << 40;

template <typename Integer>
std::optional<Integer> Number(std::string_view text, int base) {
  Integer value = 0;
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace

std::string SegmentPath(const std::string& directory, Position begin, const char* suffix) {
  std::string digits = std::to_string(begin);
  digits.insert(0, kDigits - digits.size(), '0');
  return directory + "/" + digits + suffix;
}

std::optional<Position> SegmentBegin(const std::string& name, const std::string& suffix) {
  if (name.size() != kDigits + suffix.size() || !name.ends_with(suffix)) return std::nullopt;
  return Number<Position>(std::string_view(name).substr(0, kDigits), 10);
}

bool WriteJournalLabel(const std::string& directory, const JournalLabel& label, Readers readers,
                       std::string* why) {
  const std::string path = directory + kLabelName;
  const std::string text = std::string(kMagic) + "\nsession " + Hex(label.session) +
                           "\nsegment " + std::to_string(label.segment_bytes) + "\n";
  int error = 0;
  const UniqueFd fd = CreateFile(path, &error, readers);
  if (fd) {
    const IoResult result = WriteAt(fd.get(), AsBytes(text), 0);
    if (result.status == IoStatus::kOk) return true;
    error = result.error;
  }
  *why = path + ": " + ErrnoText(error);
  return false;
}

void RemoveJournalLabel(const std::string& directory) {
  RemoveFile(directory + kLabelName);
}

std::optional<JournalLabel> ReadJournalLabel(const std::string& directory, std::string* why) {
  const std::string path = directory + kLabelName;
  int error = 0;
  const UniqueFd fd = OpenForReading(path, &error);
  if (!fd) {
    *why = path + ": " + ErrnoText(error);
    return std::nullopt;
  }
  std::array<std::byte, kMaxLabelBytes> content;
  const std::size_t length = ReadAt(fd.get(), content, 0);
  std::istringstream lines(std::string(AsText(ByteSpan(content).first(length))));
  std::string magic;
  std::string session;
  std::string segment;
  std::getline(lines, magic);
  std::getline(lines, session);
  std::getline(lines, segment);
  const std::string kSession = "session ";
  const std::string kSegment = "segment ";
  if (magic == kMagic && session.starts_with(kSession) && segment.starts_with(kSegment)) {
    const auto id = Number<SessionId>(std::string_view(session).substr(kSession.size()), 16);
    const auto bytes =
        Number<std::size_t>(std::string_view(segment).substr(kSegment.size()), 10);
    if (id && bytes && *bytes > 0 && *bytes <= kMaxSegmentBytes)
      return JournalLabel{*id, *bytes};
  }
  *why = path + ": not the label of a journal that this version knows";
  return std::nullopt;
}

}  // namespace pipedup
