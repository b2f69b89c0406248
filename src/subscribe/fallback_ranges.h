// Ranges that two may have: what the first one does not have is asked of the second.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>

#include "subscribe/any_range_reader.h"

namespace pipedup {

class FallbackRanges final : public AnyRangeReader, private RangeReaderEvents {
 public:
  using Make = std::function<std::unique_ptr<AnyRangeReader>(RangeReaderEvents&)>;

  /// Both are made here. `events` must outlive it.
  FallbackRanges(const Make& first, const Make& second, RangeReaderEvents& events);

  /// False: the first one takes no more questions at a time. Where the second one does not,
  /// what the first one has said stands.
  bool Ask(std::uint64_t ticket, const control::ReadFrom& from, std::uint64_t max) override;
  void ExpectEnd() override;
  bool expects_end() const override;

 private:
  struct Question {
    control::ReadFrom from = {};
    std::uint64_t max = 0;  ///< that has not come
    bool second = false;    ///< who is asked
    std::optional<control::Done> first_said = {};
  };

  void OnRangeBlock(std::uint64_t ticket, const BlockHeader& header,
                    SharedBytes payload) override;
  void OnRangeDone(std::uint64_t ticket, const control::Done* done) override;
  bool MoreIsNeeded() const override { return events_.MoreIsNeeded(); }

  RangeReaderEvents& events_;
  std::map<std::uint64_t, Question> questions_;  // by ticket
  const std::unique_ptr<AnyRangeReader> first_;
  const std::unique_ptr<AnyRangeReader> second_;
};

}  // namespace pipedup
