// The page, as it is in page.html: the build makes the text of it.
#pragma once

#include <string_view>

namespace pipedup::http {

/// With "@NONCE@" wherever the nonce of its Content-Security-Policy goes.
extern const std::string_view kPage;

}  // namespace pipedup::http
