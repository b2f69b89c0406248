// What happens to files while the program that they belong to is down.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "fault/schedule.h"

namespace pipedup::test {

/// Position at which a journal goes on that its publisher has just mended, if need be.
std::uint64_t JournalHead(const std::string& journal);
/// Position of the first one.
std::uint64_t JournalTail(const std::string& journal);
/// Its segments, one after the other: `cat DIRECTORY/*.log`.
std::string JournalBytes(const std::string& journal);

/// Puts what the library of faultfs/ kept in `shadow` in the place of `directory`: a machine
/// that has crashed and is up again. Empties `shadow`.
void RestoreFromShadow(const std::string& directory, const std::string& shadow);

/// Flips a bit of a file of `directory`, or cuts it off. What was done, in words; nothing if
/// there is no such file or it is empty.
std::optional<std::string> Inflict(const Damage& damage, const std::string& directory);

/// Cuts blocks off the end of the newest segment, so many that `bytes` bytes go or all of it:
/// what a recovery that is broken on purpose does.
void LoseTail(const std::string& journal, std::uint64_t bytes);

}  // namespace pipedup::test
