#include "consume/labeler.h"

#include <memory>

#include "base/records.h"
#include "base/units.h"

namespace pipedup {

void Labeler::Restart(const std::string& stream, RecordFormat format) {
  stream_ = stream;
  format_ = format;
  at_start_ = true;
}

SharedBytes Labeler::Label(ByteSpan bytes, std::int64_t time_ns) {
  std::string label;
  if (options_.timestamps) label += FormatTime(time_ns) + " ";
  if (options_.prefix) label += stream_ + ": ";
  auto out = std::make_shared<std::string>();
  out->reserve(bytes.size() + label.size() * (CountRecords(format_, bytes) + 1));
  while (!bytes.empty()) {
    if (at_start_) out->append(label);
    const std::size_t ended = LengthOfRecords(format_, bytes, 1);
    const std::size_t length = ended > 0 ? ended : bytes.size();
    out->append(AsText(bytes.first(length)));
    at_start_ = ended > 0;
    bytes = bytes.subspan(length);
  }
  const ByteSpan view = AsBytes(*out);
  return {std::move(out), view};
}

}  // namespace pipedup
