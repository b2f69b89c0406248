// --prefix and --timestamps: a label in front of each record.
#pragma once

#include <cstdint>
#include <string>

#include "base/bytes.h"
#include "pipedup/types.h"

namespace pipedup {

struct LabelerOptions {
  bool prefix = false;      ///< "stream: "
  bool timestamps = false;  ///< publish time, RFC 3339 in UTC, and a space; before the prefix
};

/// Copies bytes and puts a label where a record begins, also in the middle of a block. Keeps
/// one bit between calls: whether the next byte begins a record.
class Labeler {
 public:
  Labeler(LabelerOptions options, RecordFormat format) : options_(options), format_(format) {}

  /// From here on records are of `stream`, and the next byte begins one.
  void Restart(const std::string& stream, RecordFormat format);
  /// The next byte does not begin one after all.
  void ContinueRecord() { at_start_ = false; }
  /// `bytes` with labels. Every record of a block has the block's publish time.
  SharedBytes Label(ByteSpan bytes, std::int64_t time_ns);

 private:
  const LabelerOptions options_;
  RecordFormat format_;
  std::string stream_;
  bool at_start_ = true;
};

}  // namespace pipedup
