#include "support/files.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <random>
#include <stdexcept>
#include <system_error>
#include <utility>
#include <vector>

#include "os/fd.h"

namespace pipedup::test {

namespace fs = std::filesystem;

TempDir::TempDir() {
  std::string pattern = "/tmp/pdXXXXXX";
  if (::mkdtemp(pattern.data()) == nullptr) {
    throw std::system_error(errno, std::generic_category(), "mkdtemp " + pattern);
  }
  path_ = pattern;
}

TempDir::~TempDir() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

std::string TempDir::operator/(std::string_view name) const {
  return path_ + "/" + std::string(name);
}

std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  if (!file) return "";
  std::string bytes(static_cast<std::size_t>(file.tellg()), '\0');
  file.seekg(0);
  file.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  bytes.resize(static_cast<std::size_t>(file.gcount()));
  return bytes;
}

void WriteFile(const std::string& path, std::string_view bytes) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  if (!file.flush()) throw std::runtime_error("write " + path);
}

std::uint64_t FileSize(const std::string& path) {
  std::error_code error;
  const auto size = fs::file_size(path, error);
  return error ? 0 : size;
}

std::vector<std::string> FilesBelow(const std::string& directory) {
  std::vector<std::string> found;
  std::error_code error;
  for (const auto& entry : fs::recursive_directory_iterator(directory, error)) {
    if (entry.is_regular_file(error)) found.push_back(entry.path());
  }
  return found;
}

namespace {

bool CanBind(std::uint16_t port) {
  const UniqueFd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  return ::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
}

/// Whether nobody else has it, of all tests on this machine: they ask for a pair and bind it
/// only later. The name is this process's to its end.
bool Reserve(std::uint16_t port) {
  static std::mutex mutex;
  static std::vector<UniqueFd> reserved;
  UniqueFd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  // The first byte is zero: no file.
  const std::string name = "pipedup-test-port-" + std::to_string(port);
  std::copy(name.begin(), name.end(), address.sun_path + 1);
  if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    return false;
  const std::lock_guard lock(mutex);
  reserved.push_back(std::move(socket));
  return true;
}

}  // namespace

std::uint16_t FreePortPair() {
  constexpr std::uint16_t kFirst = 10'000;
  constexpr std::uint16_t kLast = 32'000;
  std::random_device random;
  std::uniform_int_distribution<std::uint16_t> any(kFirst / 2, kLast / 2);
  for (int attempt = 0; attempt < 1000; ++attempt) {
    const auto port = static_cast<std::uint16_t>(2 * any(random));  // pairs do not overlap
    if (Reserve(port) && CanBind(port) && CanBind(static_cast<std::uint16_t>(port + 1)))
      return port;
  }
  throw std::runtime_error("no two neighbouring ports are free");
}

}  // namespace pipedup::test
