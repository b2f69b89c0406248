// What pipedup-top knows, for people: two tables, of streams and of subscribers. Pure.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "top/view.h"

namespace pipedup::top {

struct TableOptions {
  Sort sort = Sort::kLag;
  std::size_t columns = 0;  ///< of a line; 0: as many as there need be
  bool color = false;
  bool utf8 = false;  ///< names may be shown as they are
};

/// The lines, without '\n'. Endpoints that do not answer come first, then streams, then, behind
/// an empty line, subscribers of all of them, each in the order of `sort`. What comes from
/// peers cannot steer a terminal.
std::vector<std::string> TableLines(const std::vector<EndpointView>& endpoints,
                                    const TableOptions& options);

}  // namespace pipedup::top
