#include "top/screen.h"

#include <algorithm>

namespace pipedup::top {

std::string Frame(const std::vector<std::string>& lines, std::size_t rows) {
  rows = std::max<std::size_t>(rows, 1);
  const bool all = lines.size() <= rows;
  const std::size_t shown = all ? lines.size() : rows - 1;
  std::string frame = "\x1b[H";
  // A line is cleared before it is drawn: after a full one the cursor stands on its last
  // character.
  for (std::size_t i = 0; i < shown; ++i) {
    if (i > 0) frame += "\r\n";
    frame += "\x1b[K" + lines[i];
  }
  if (!all) {
    if (shown > 0) frame += "\r\n";
    frame += "\x1b[K+" + std::to_string(lines.size() - shown);
  } else if (shown < rows) {
    frame += shown > 0 ? "\r\n\x1b[J" : "\x1b[J";
  }
  return frame;
}

}  // namespace pipedup::top
