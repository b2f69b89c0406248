// Files and directories that a test makes and leaves no trace of.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace pipedup::test {

/// A fresh directory with a path that is short enough for ipc sockets; removed with all that is
/// in it.
class TempDir {
 public:
  TempDir();
  ~TempDir();
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;

  const std::string& path() const { return path_; }
  std::string operator/(std::string_view name) const;

 private:
  std::string path_;
};

/// The whole file; "" if there is none.
std::string ReadFile(const std::string& path);
void WriteFile(const std::string& path, std::string_view bytes);
/// 0 if there is no such file.
std::uint64_t FileSize(const std::string& path);

/// Paths of all plain files below a directory.
std::vector<std::string> FilesBelow(const std::string& directory);

/// A port P such that P and P + 1 can be bound on 127.0.0.1, outside of the range that the
/// system hands out by itself, and that no other test is given while this process runs: nobody
/// takes it while a publisher is restarted.
std::uint16_t FreePortPair();

}  // namespace pipedup::test
