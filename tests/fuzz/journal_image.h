// A journal on disk as a fuzz target has it: sound at first, then damaged, then written out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "input.h"
#include "journal/layout.h"
#include "wire/block_header.h"

namespace pipedup::fuzz {

inline constexpr const char* kThisBoot = "boot-1";
inline constexpr const char* kOtherBoot = "boot-2";
inline constexpr SessionId kSession = 0x1f2e3d4c5b6a7988;

/// The byte that a sound journal has at a position: any position tells it.
char ByteAt(Position position);

class JournalImage {
 public:
  /// A sound one that `input` describes: a start, up to 7 segments of up to 7 small blocks,
  /// bytes that no block has yet, and a label.
  explicit JournalImage(Input& input);

  /// One change that `input` describes.
  void Edit(Input& input);

  /// Into an empty directory.
  void Write(const std::string& directory) const;

  const JournalLabel& label() const { return label_; }  ///< before any edit of it
  RecordFormat records() const { return label_.records; }
  /// Bytes were only lost or changed. Not so: something that was never written passes for
  /// sound.
  bool only_damaged() const { return !forged_; }
  bool logs_edited() const { return logs_edited_; }

  /// Blocks as they were published whose entry and bytes are as they were, oldest first.
  std::vector<BlockHeader> IntactBlocks() const;
  /// Of those, the ones that are found after a crash of the machine: in the newest segment that
  /// has any, only what comes before the first damage.
  std::vector<BlockHeader> BlocksAfterCrash() const;
  /// Where segments begin that have both of their files.
  std::vector<Position> Begins() const;

 private:
  struct Files {
    std::optional<std::string> log;
    std::optional<std::string> index;
  };
  struct Published {
    Position begin = 0;
    std::vector<BlockHeader> blocks = {};
  };

  void MakeSegments(Input& input, Position begin);
  void MakeLabel(Input& input);
  void EditLog(Input& input, Files& files);
  void EditIndex(Input& input, Files& files);
  void EditEntry(Input& input, Position begin, Files& files);
  void EditNames(Input& input, Position begin);
  void EditLabel(Input& input);
  bool IsIntact(const Published& segment, std::size_t i) const;

  std::vector<Published> published_;
  std::map<Position, Files> segments_;
  std::map<std::string, std::string> others_;
  JournalLabel label_;
  std::optional<std::string> label_text_;
  bool lapsed_ = false;
  bool forged_ = false;
  bool logs_edited_ = false;
};

}  // namespace pipedup::fuzz
