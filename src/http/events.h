// A stream as server-sent events. Pure: bytes in, text out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "pipedup/types.h"

namespace pipedup::http {

/// What somebody who comes from another session has not read of that one.
struct Missed {
  SessionId session = 0;
  Position from = 0;
  std::optional<Position> to = {};  ///< nothing: nobody knows whether it was anything
  std::string_view reason = {};     ///< of static duration
};

/// Each record is an event of its own, whose data is the record without its delimiter and whose
/// id is the position behind it. An unfinished one waits for its end; one of more than 64 KiB
/// comes in several events, and so does what has no records at all, as it was published.
///
/// An event is text, in lines: a CR before the LF that ends a record is left out, any other CR
/// or LF inside of a record is the end of a line of its data, and bytes that are not UTF-8 are
/// U+FFFD. Whoever needs the bytes reads /stream.
class EventWriter {
 public:
  static constexpr std::size_t kMostData = 64 * 1024;

  /// What is given next begins at `position`.
  EventWriter(SessionId session, RecordFormat format, Position position)
      : session_(session), format_(format), position_(position) {}

  /// The next bytes. Appends the events that they complete to `*out`.
  void Write(ByteSpan bytes, std::string* out);
  /// Nothing comes behind what was given: an unfinished record is an event as it is.
  void Flush(std::string* out);

  /// Behind all that was given.
  Position position() const { return position_; }

  // Events of their own, named as they are here; their data is JSON.

  /// The first one: which stream it is, and where it begins.
  void Session(std::string_view stream, Position tail, Position head, std::string* out) const;
  /// [position(), to) is lost; the next bytes begin at `to`.
  void Gap(Position to, std::string_view reason, std::string* out);
  /// Before Session. Its id is one of the other session: whoever is cut off before it has come
  /// to this one is told again.
  static void OfAnotherSession(const Missed& missed, std::string* out);
  /// Nothing comes after position(). `status`: of the producer, if it is known.
  void End(std::optional<std::uint32_t> status, std::string* out) const;
  /// A sign of life, which is no event.
  static void KeepAlive(std::string* out) { *out += ":\n\n"; }

 private:
  void Event(std::string_view name, std::string_view data, Position id, std::string* out) const;
  static void Event(std::string_view name, std::string_view data, const std::string& id,
                    std::string* out);

  const SessionId session_;
  const RecordFormat format_;
  Position position_;
  std::string unfinished_;  // less than kMostData
};

/// `bytes` with U+FFFD in place of what is not UTF-8.
std::string ToUtf8(std::string_view bytes);

}  // namespace pipedup::http
