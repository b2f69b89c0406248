#include "http/events.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/records.h"
#include "base/text.h"
#include "http/request.h"

namespace pipedup::http {
namespace {

using nlohmann::ordered_json;

/// Length of the well-formed UTF-8 sequence that `text` begins with; 0 if there is none.
/// Source: RFC 3629, section 4.
std::size_t SequenceLength(std::string_view text) {
  const auto byte = [text](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  if (first < 0x80) return 1;
  const std::size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || text.size() < length) return 0;
  const unsigned char low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
  const unsigned char high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
  if (byte(1) < low || byte(1) > high) return 0;
  for (std::size_t i = 2; i < length; ++i) {
    if (byte(i) < 0x80 || byte(i) > 0xbf) return 0;
  }
  return length;
}

/// The longest part of `text`, at most `most` bytes, that does not end within a character.
std::size_t WholeCharacters(std::string_view text, std::size_t most) {
  if (text.size() <= most) return text.size();
  std::size_t length = most;
  while (length + 3 > most && (static_cast<unsigned char>(text[length]) & 0xc0) == 0x80) {
    --length;
  }
  return (static_cast<unsigned char>(text[length]) & 0xc0) == 0x80 ? most : length;
}

}  // namespace

std::string ToUtf8(std::string_view bytes) {
  std::string text;
  text.reserve(bytes.size());
  while (!bytes.empty()) {
    const std::size_t length = SequenceLength(bytes);
    if (length == 0) {
      text += "\xef\xbf\xbd";
      bytes.remove_prefix(1);
    } else {
      text += bytes.substr(0, length);
      bytes.remove_prefix(length);
    }
  }
  return text;
}

void EventWriter::Event(std::string_view name, std::string_view data, Position id,
                        std::string* out) const {
  Event(name, data, FormatEventId(id, session_), out);
}

void EventWriter::Event(std::string_view name, std::string_view data, const std::string& id,
                        std::string* out) {
  if (!name.empty()) (*out += "event: ").append(name) += '\n';
  *out += "id: " + id + "\n";
  const std::string text = ToUtf8(data);
  std::string_view rest = text;
  while (true) {
    const std::size_t end = std::min(rest.find_first_of("\r\n"), rest.size());
    (*out += "data: ").append(rest.substr(0, end)) += '\n';
    if (end == rest.size()) break;
    rest.remove_prefix(end + (rest.substr(end).starts_with("\r\n") ? 2 : 1));
  }
  *out += '\n';
}

void EventWriter::Write(ByteSpan bytes, std::string* out) {
  while (!bytes.empty()) {
    const bool raw = format_ == RecordFormat::kRaw;
    const std::size_t finished = raw ? 0 : LengthOfRecords(format_, bytes, 1);
    const ByteSpan part = bytes.first(finished > 0 ? finished : bytes.size());
    bytes = bytes.subspan(part.size());
    position_ += part.size();
    unfinished_.append(AsText(part));
    std::string_view data = unfinished_;
    if (finished > 0) data.remove_suffix(1);
    if (finished > 0 && format_ == RecordFormat::kLines && data.ends_with('\r')) {
      data.remove_suffix(1);
    }
    Position at = position_ - unfinished_.size();
    while (data.size() > kMostData) {
      const std::size_t length = WholeCharacters(data, kMostData);
      at += length;
      Event("", data.substr(0, length), at, out);
      data.remove_prefix(length);
    }
    if (finished > 0 || (raw && !data.empty())) {
      Event("", data, position_, out);
      unfinished_.clear();
    } else {
      unfinished_ = std::string(data);
    }
  }
}

void EventWriter::Flush(std::string* out) {
  if (unfinished_.empty()) return;
  Event("", unfinished_, position_, out);
  unfinished_.clear();
}

void EventWriter::Session(std::string_view stream, Position tail, Position head,
                          std::string* out) const {
  const ordered_json data = {{"stream", stream},
                             {"session", Hex(session_)},
                             {"position", position_},
                             {"tail", tail},
                             {"head", head}};
  Event("session", data.dump(), position_, out);
}

void EventWriter::Gap(Position to, std::string_view reason, std::string* out) {
  Flush(out);
  const ordered_json data = {
      {"from", position_}, {"to", to}, {"bytes", to - position_}, {"reason", reason}};
  position_ = to;
  Event("gap", data.dump(), position_, out);
}

void EventWriter::OfAnotherSession(const Missed& missed, std::string* out) {
  ordered_json data = {{"session", Hex(missed.session)},
                       {"from", missed.from},
                       {"to", nullptr},
                       {"bytes", nullptr},
                       {"reason", missed.reason}};
  if (missed.to) {
    data["to"] = *missed.to;
    data["bytes"] = *missed.to - missed.from;
  }
  const Position id = missed.to.value_or(missed.from);
  Event("gap", data.dump(), FormatEventId(id, missed.session), out);
}

void EventWriter::End(std::optional<std::uint32_t> status, std::string* out) const {
  ordered_json data = {{"position", position_}, {"status", nullptr}};
  if (status) data["status"] = *status;
  Event("end", data.dump(), position_, out);
}

}  // namespace pipedup::http
