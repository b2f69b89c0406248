#include "journal/cursor_resume.h"

#include <algorithm>

namespace pipedup {
namespace {

constexpr const char* kUnknown = "whether the last write was made cannot be known";

bool IsSame(const Cursor::File& noted, const OutputFile& output) {
  return noted.device == output.device && noted.inode == output.inode;
}

/// The file holds less than was written to it.
ResumePlan PlanShorter(const Cursor& cursor, std::uint64_t length) {
  const Cursor::File& file = *cursor.file;
  ResumePlan plan;
  plan.position = file.base;
  plan.new_base = true;
  plan.why = "the file is " + std::to_string(file.length - length) +
             " bytes shorter than it was, and goes on ";
  if (!file.labelled && length >= file.base_length) {
    plan.position += length - file.base_length;
    plan.new_base = false;
    plan.why += "at its end";
  } else if (length == file.base_length) {
    plan.new_base = false;
    plan.why += "at its end";
  } else if (length > file.base_length) {
    plan.why += "where it began, because labels hide how far it goes";
  } else {
    plan.why += "where it began; what was before that stays missing in it";
  }
  const Position reached = cursor.write ? cursor.write->to : cursor.position;
  if (reached > plan.position) plan.repeated_to = reached;
  return plan;
}

/// It holds more than was noted.
ResumePlan PlanLonger(const Cursor& cursor, std::uint64_t length, bool rebooted) {
  const Cursor::File& file = *cursor.file;
  const std::uint64_t more = length - file.length;
  ResumePlan plan;
  plan.position = cursor.position;
  if (cursor.write && more <= cursor.write->bytes) {
    if (more == cursor.write->bytes) {
      plan.position = cursor.write->to;
    } else if (!file.labelled) {
      plan.position += more;
    } else {
      plan.truncate_to = file.length;
    }
    return plan;
  }
  if (rebooted && !file.labelled) {
    // The system has kept more of the file than of the cursor.
    plan.position += more;
    return plan;
  }
  plan.new_base = true;
  plan.why = "the file is " + std::to_string(more) + " bytes longer than it was, and not by " +
             "this cursor's subscriber";
  if (cursor.write) plan.repeated_to = cursor.write->to;
  return plan;
}

}  // namespace

ResumePlan PlanResume(const Cursor& cursor, const std::optional<OutputFile>& output,
                      std::uint64_t boot) {
  ResumePlan plan;
  plan.position = cursor.position;
  if (cursor.file && output && IsSame(*cursor.file, *output)) {
    if (output->length < cursor.file->length) return PlanShorter(cursor, output->length);
    if (output->length == cursor.file->length) return plan;
    return PlanLonger(cursor, output->length, boot != cursor.boot);
  }
  plan.new_base = true;
  if (cursor.write) {
    plan.repeated_to = cursor.write->to;
    plan.why = kUnknown;
  }
  return plan;
}

}  // namespace pipedup
