// What pipedup-top knows, for programs. Pure. The members are described in
// docs/operations.md, and stay.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "top/view.h"

namespace pipedup::top {

/// One object on one line, with its '\n'. `time_ns` since the Unix epoch.
std::string JsonText(const std::vector<EndpointView>& endpoints, std::int64_t time_ns);

}  // namespace pipedup::top
