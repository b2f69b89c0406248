// Does to files what it is told, call by call, and says what each call returned: for the test
// of faultfs. Works in the current directory.
//
//   fault-file-calls CALL...     open:NAME write:TEXT splice:TEXT at:OFFSET,TEXT sync syncdir
//                                truncate:BYTES rename:FROM,TO unlink:NAME close boot
#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iostream>
#include <string>

namespace {

int file = -1;

long Splice(const std::string& text) {
  std::array<int, 2> ends{};
  if (::pipe(ends.data()) != 0) return -1;
  (void)!::write(ends[1], text.data(), text.size());
  const long count = ::splice(ends[0], nullptr, file, nullptr, text.size(), 0);
  const int error = errno;
  ::close(ends[0]);
  ::close(ends[1]);
  errno = error;
  return count;
}

long SyncDirectory() {
  const int directory = ::open(".", O_RDONLY | O_DIRECTORY);
  const long result = ::fsync(directory);
  ::close(directory);
  return result;
}

long Call(const std::string& name, const std::string& value) {
  const std::size_t comma = value.find(',');
  const std::string left = value.substr(0, comma);
  const std::string right = comma == std::string::npos ? "" : value.substr(comma + 1);
  if (name == "open") {
    file = ::open(value.c_str(), O_RDWR | O_CREAT, 0600);
    return file < 0 ? -1 : 0;
  }
  if (name == "write") return ::write(file, value.data(), value.size());
  if (name == "at") return ::pwrite(file, right.data(), right.size(), std::stol(left));
  if (name == "splice") return Splice(value);
  if (name == "sync") return ::fdatasync(file);
  if (name == "syncdir") return SyncDirectory();
  if (name == "truncate") return ::ftruncate(file, std::stol(value));
  if (name == "rename") return ::rename(left.c_str(), right.c_str());
  if (name == "unlink") return ::unlink(value.c_str());
  if (name == "close") return ::close(file);
  if (name == "boot") {
    std::ifstream boot_id("/proc/sys/kernel/random/boot_id");
    std::string id;
    boot_id >> id;
    std::cout << id << std::endl;
    return 0;
  }
  errno = EINVAL;
  return -1;
}

}  // namespace

int main(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    const std::size_t colon = word.find(':');
    const std::string name = word.substr(0, colon);
    const long result = Call(name, colon == std::string::npos ? "" : word.substr(colon + 1));
    std::cout << name << " "
              << (result < 0 ? std::string(::strerrorname_np(errno)) : std::to_string(result))
              << std::endl;
  }
}
