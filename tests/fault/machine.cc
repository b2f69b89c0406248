#include "fault/machine.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <vector>

#include "base/bytes.h"
#include "support/files.h"
#include "wire/block_header.h"

namespace pipedup::test {
namespace {

namespace fs = std::filesystem;

/// Those whose names end so, oldest first.
std::vector<fs::path> FilesLike(const std::string& directory, const std::string& suffix) {
  std::vector<fs::path> found;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(directory, error)) {
    const std::string name = entry.path().filename();
    if (entry.is_regular_file(error) && name.ends_with(suffix)) found.push_back(entry.path());
  }
  std::sort(found.begin(), found.end());
  return found;
}

std::uint64_t BeginOf(const fs::path& segment) {
  return std::stoull(segment.stem().string());
}

std::vector<fs::path> Candidates(Damage::Where where, const std::string& directory) {
  switch (where) {
    case Damage::Where::kLog:
      return FilesLike(directory, ".log");
    case Damage::Where::kIndex:
      return FilesLike(directory, ".idx");
    case Damage::Where::kLabel:
      for (const char* name : {"label", "journal"}) {
        if (fs::exists(fs::path(directory) / name)) return {fs::path(directory) / name};
      }
      return {};
    case Damage::Where::kCursor:
      return FilesLike(directory, "cursor");
  }
  return {};
}

/// Position after the last block that the index of a segment has an entry of.
std::uint64_t IndexedEnd(const fs::path& log) {
  std::uint64_t end = BeginOf(log);
  const std::string index = ReadFile(fs::path(log).replace_extension(".idx"));
  for (std::size_t at = 0; at + kHeaderBytes <= index.size(); at += kHeaderBytes) {
    const ParsedHeader entry = ParseHeader(AsBytes(std::string_view(index).substr(at)));
    if (entry.header) end = std::max(end, entry.header->end());
  }
  return end;
}

}  // namespace

std::uint64_t JournalHead(const std::string& journal) {
  const auto logs = FilesLike(journal, ".log");
  if (logs.empty()) return 0;
  // Where bytes were cut off that had been published, the positions are theirs for good.
  return std::max(BeginOf(logs.back()) + FileSize(logs.back()), IndexedEnd(logs.back()));
}

std::uint64_t JournalTail(const std::string& journal) {
  const auto logs = FilesLike(journal, ".log");
  return logs.empty() ? 0 : BeginOf(logs.front());
}

std::string JournalBytes(const std::string& journal) {
  std::string all;
  for (const fs::path& log : FilesLike(journal, ".log")) all += ReadFile(log);
  return all;
}

void RestoreFromShadow(const std::string& directory, const std::string& shadow) {
  for (const std::string& path : FilesBelow(directory)) fs::remove(path);
  std::error_code error;
  for (const auto& list : fs::directory_iterator(shadow + "/dirs", error)) {
    std::string below = list.path().filename();
    if (below.ends_with(".draft")) continue;
    std::replace(below.begin(), below.end(), '%', '/');
    std::istringstream entries(ReadFile(list.path()));
    std::string inode;
    std::string name;
    while (entries >> inode && std::getline(entries >> std::ws, name)) {
      const std::string path = directory + below + "/" + name;
      WriteFile(path, ReadFile(shadow + "/data/" + inode));
      fs::permissions(path, fs::perms::owner_read | fs::perms::owner_write);
    }
  }
  for (const auto& entry : fs::directory_iterator(shadow)) fs::remove_all(entry.path());
}

std::optional<std::string> Inflict(const Damage& damage, const std::string& directory) {
  const auto files = Candidates(damage.where, directory);
  if (files.empty()) return std::nullopt;
  const auto last = static_cast<double>(files.size() - 1);
  const fs::path& path = files[static_cast<std::size_t>(damage.file * last + 0.5)];
  std::uint64_t bytes = FileSize(path);
  // Nobody can find a changed byte that no index entry has a checksum of.
  if (damage.where == Damage::Where::kLog && !damage.truncate) {
    bytes = std::min(bytes, IndexedEnd(path) - BeginOf(path));
  }
  if (bytes == 0) return std::nullopt;
  const auto at =
      std::min(bytes - 1, static_cast<std::uint64_t>(damage.at * static_cast<double>(bytes)));
  const std::string where =
      path.filename().string() + " at " + std::to_string(at) + " of " + std::to_string(bytes);
  if (damage.truncate) {
    fs::resize_file(path, at);
    return "cut off " + where;
  }
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekg(static_cast<std::streamoff>(at));
  const char byte = static_cast<char>(file.get());
  file.seekp(static_cast<std::streamoff>(at));
  file.put(static_cast<char>(byte ^ (1 << (at % 8))));
  return "flipped a bit of " + where;
}

void LoseTail(const std::string& journal, std::uint64_t bytes) {
  const auto logs = FilesLike(journal, ".log");
  if (logs.empty()) return;
  const fs::path& log = logs.back();
  const std::uint64_t size = FileSize(log);
  const std::uint64_t end = BeginOf(log) + size - std::min(size, bytes);
  const fs::path index = fs::path(log).replace_extension(".idx");
  const std::string entries = ReadFile(index);
  std::uint64_t head = BeginOf(log);
  std::size_t kept = 0;
  for (; kept + kHeaderBytes <= entries.size(); kept += kHeaderBytes) {
    const ParsedHeader entry = ParseHeader(AsBytes(std::string_view(entries).substr(kept)));
    if (!entry.header || entry.header->end() > end) break;
    head = entry.header->end();
  }
  fs::resize_file(index, kept);
  fs::resize_file(log, head - BeginOf(log));
}

}  // namespace pipedup::test
