// How fast streams and subscribers move, from one answer to the next. Pure.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/rate_meter.h"
#include "top/view.h"

namespace pipedup::top {

/// Of one endpoint. Whoever is not in an answer is forgotten.
class Rates {
 public:
  explicit Rates(Duration window) : window_(window) {}
  /// Notes an answer that came at `now`, and fills in the rates in it.
  void Fill(TimePoint now, std::vector<StreamView>* streams);

 private:
  Rate Note(TimePoint now, const std::string& key, std::uint64_t total);

  const Duration window_;
  std::map<std::string, RateMeter> meters_;
  std::map<std::string, RateMeter> next_;  // of those that the present answer has
};

}  // namespace pipedup::top
