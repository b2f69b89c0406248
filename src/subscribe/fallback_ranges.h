// Ranges that two may have: what one does not have is asked of the other.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>

#include "subscribe/any_range_reader.h"

namespace pipedup {

/// The first one is asked first, until it does not answer and the second one does; then that
/// one is, and so on.
class FallbackRanges final : public AnyRangeReader, private RangeReaderEvents {
 public:
  using Make = std::function<std::unique_ptr<AnyRangeReader>(RangeReaderEvents&)>;

  /// Both are made here. `events` must outlive it.
  FallbackRanges(const Make& first, const Make& second, RangeReaderEvents& events);

  /// False: who is asked first takes no more questions at a time. Where the other one does
  /// not, what has been said stands.
  bool Ask(std::uint64_t ticket, const control::ReadFrom& from, std::uint64_t max) override;
  void ExpectEnd() override;
  bool expects_end() const override;

 private:
  struct Question {
    control::ReadFrom from = {};
    std::uint64_t max = 0;                   ///< that has not come
    std::size_t asked = 0;                   ///< the index of who is
    bool last = false;                       ///< the other one was asked before
    std::optional<control::Done> said = {};  ///< by that one
  };

  void OnRangeBlock(std::uint64_t ticket, const BlockHeader& header,
                    SharedBytes payload) override;
  void OnRangeDone(std::uint64_t ticket, const control::Done* done) override;
  bool MoreIsNeeded() const override { return events_.MoreIsNeeded(); }

  RangeReaderEvents& events_;
  std::map<std::uint64_t, Question> questions_;  // by ticket
  const std::array<std::unique_ptr<AnyRangeReader>, 2> readers_;
  std::size_t preferred_ = 0;  // index of who is asked first
};

}  // namespace pipedup
