#include "journal/layout.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <sstream>
#include <utility>

#include "base/checksum.h"
#include "base/text.h"
#include "os/file.h"
#include "os/io.h"

namespace pipedup {
namespace {

constexpr std::size_t kDigits = 20;
constexpr const char* kLabelName = "/journal";
constexpr const char* kLapsedName = "/journal.lapsed";
constexpr const char* kLabelCheck = "check ";
constexpr const char* kLabelMagic = "pipedup journal 1";
constexpr std::size_t kMaxLabelBytes = 4096;
constexpr std::size_t kMaxSegmentBytes = std::size_t{1} << 40;

constexpr std::array kFormats = {std::pair{RecordFormat::kLines, "lines"},
                                 std::pair{RecordFormat::kNul, "nul"},
                                 std::pair{RecordFormat::kRaw, "raw"}};
constexpr std::array kSyncModes = {std::pair{SyncMode::kNever, "never"},
                                   std::pair{SyncMode::kInterval, "interval"},
                                   std::pair{SyncMode::kAlways, "always"}};

template <typename Words, typename Enum>
const char* WordFor(const Words& words, Enum value) {
  return std::ranges::find(words, value, [](const auto& word) { return word.first; })->second;
}

template <typename Words>
auto ValueOf(const Words& words, std::string_view text) {
  const auto found = std::ranges::find_if(
      words, [text](const auto& word) { return std::string_view(word.second) == text; });
  return found == words.end() ? std::nullopt : std::optional(found->first);
}

template <typename Value, typename Target>
bool Set(const std::optional<Value>& value, Target* to) {
  if (value) *to = *value;
  return value.has_value();
}

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

// ---- the label ----

std::string EncodeLabel(const JournalLabel& label) {
  std::string text = std::string(kLabelMagic) + "\nsession " + Hex(label.session) +
                     "\nsegment " + std::to_string(label.segment_bytes) + "\n";
  if (!label.durable) return text;
  text += "from " + std::to_string(label.from) + "\nused " + std::to_string(label.used) + " " +
          std::to_string(label.used_records) + "\nstream " + label.stream + "\nrecords " +
          WordFor(kFormats, label.records) + "\nboot " + label.boot + "\nsync " +
          WordFor(kSyncModes, label.sync) + "\n";
  if (label.closed) text += "closed " + std::to_string(*label.closed) + "\n";
  for (const PastSession& past : label.past) {
    text += "past " + Hex(past.session) + " " + std::to_string(past.end) + "\n";
  }
  return text + kLabelCheck + Hex(Checksum(AsBytes(text))) + "\n";
}

std::optional<JournalLabel> ParseLabel(std::string_view text) {
  const std::size_t checked = text.rfind(kLabelCheck);
  const bool sound_text =
      checked != text.npos &&
      text.substr(checked) ==
          kLabelCheck + Hex(Checksum(AsBytes(text.substr(0, checked)))) + "\n";
  std::istringstream lines{std::string(text)};
  std::string line;
  if (!std::getline(lines, line) || line != kLabelMagic) return std::nullopt;
  JournalLabel label;
  while (std::getline(lines, line)) {
    const std::size_t space = std::min(line.find(' '), line.size());
    const std::string key = line.substr(0, space);
    const std::string_view value =
        std::string_view(line).substr(std::min(space + 1, line.size()));
    bool sound = true;
    if (key == "session") {
      sound = Set(Number<SessionId>(value, 16), &label.session);
    } else if (key == "segment") {
      sound = Set(Number<std::size_t>(value, 10), &label.segment_bytes);
    } else if (key == "from") {
      sound = Set(Number<Position>(value, 10), &label.from);
    } else if (key == "stream") {
      label.stream = value;
      label.durable = true;
    } else if (key == "records") {
      sound = Set(ValueOf(kFormats, value), &label.records);
    } else if (key == "boot") {
      label.boot = value;
    } else if (key == "sync") {
      sound = Set(ValueOf(kSyncModes, value), &label.sync);
    } else if (key == "closed") {
      sound = Set(Number<Position>(value, 10), &label.closed);
    } else if (key == "used" || key == "past") {
      const std::size_t gap = std::min(value.find(' '), value.size());
      const std::string_view first = value.substr(0, gap);
      const std::string_view second = value.substr(std::min(gap + 1, value.size()));
      if (key == "used") {
        sound = Set(Number<Position>(first, 10), &label.used) &&
                Set(Number<std::uint64_t>(second, 10), &label.used_records);
      } else {
        label.past.emplace_back();
        sound = Set(Number<SessionId>(first, 16), &label.past.back().session) &&
                Set(Number<Position>(second, 10), &label.past.back().end);
      }
    }
    if (!sound) return std::nullopt;
  }
  const bool sized = label.segment_bytes > 0 && label.segment_bytes <= kMaxSegmentBytes;
  if (label.durable && !sound_text) return std::nullopt;
  if (label.session == 0 || !sized || label.past.size() > kMostPast) return std::nullopt;
  return label;
}

int WriteJournalLabel(const std::string& directory, const JournalLabel& label,
                      Readers readers) {
  const int error =
      ReplaceFile(directory + kLabelName, EncodeLabel(label), readers, label.durable);
  if (error == 0 && label.durable) RemoveFile(directory + kLapsedName);
  return error;
}

bool LapseJournalLabel(const std::string& directory) {
  const int error = RenameFile(directory + kLabelName, directory + kLapsedName);
  const bool marked = error == 0 || RemoveFile(directory + kLabelName);
  return marked && SyncDirectory(directory) == 0;
}

void RemoveJournalLabel(const std::string& directory) {
  RemoveFile(directory + kLabelName);
}

std::optional<JournalLabel> ReadJournalLabel(const std::string& directory, std::string* why) {
  std::string path = directory + kLabelName;
  int error = 0;
  UniqueFd fd = OpenForReading(path, &error);
  const bool lapsed = !fd && error == ENOENT;
  if (lapsed) fd = OpenForReading(directory + kLapsedName, &error);
  if (!fd) {
    *why = path + ": " + ErrnoText(error);
    return std::nullopt;
  }
  std::array<std::byte, kMaxLabelBytes> content;
  const std::size_t length = ReadAt(fd.get(), content, 0);
  std::optional<JournalLabel> label = ParseLabel(AsText(ByteSpan(content).first(length)));
  if (label) label->lapsed = lapsed;
  if (!label) *why = path + ": not the label of a journal that this version knows";
  return label;
}

}  // namespace pipedup
