#include "support.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#if defined(__x86_64__)
#include <xxh_x86dispatch.h>
#else
#include <xxhash.h>
#endif

#include <array>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <iterator>

namespace pipedup::bench {
namespace {

volatile sig_atomic_t stop_requested = 0;

void OnTerm(int) {
  stop_requested = 1;
}

struct Unit {
  std::string_view name;
  std::uint64_t factor;
};

constexpr std::array<Unit, 8> kSizes{{{"", 1},
                                      {"B", 1},
                                      {"KiB", 1ULL << 10},
                                      {"MiB", 1ULL << 20},
                                      {"GiB", 1ULL << 30},
                                      {"KB", 1000},
                                      {"MB", 1000000},
                                      {"GB", 1000000000}}};
constexpr std::array<Unit, 5> kDurations{
    {{"ns", 1}, {"us", 1000}, {"ms", 1000000}, {"s", 1000000000}, {"m", 60ULL * 1000000000}}};

template <typename Units>
std::uint64_t WithUnit(const std::string& option, const std::string& text, const Units& units) {
  std::uint64_t value = 0;
  const char* end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, value);
  const std::string_view unit(parsed.ptr, static_cast<std::size_t>(end - parsed.ptr));
  if (parsed.ec == std::errc()) {
    for (const Unit& known : units) {
      if (known.name == unit) return value * known.factor;
    }
  }
  Die("--" + option + ": cannot read '" + text + "'");
}

}  // namespace

void Die(std::string_view message, int error_number) {
  fprintf(stderr, "%s: %.*s%s%s\n", program_invocation_short_name,
          static_cast<int>(message.size()), message.data(), error_number != 0 ? ": " : "",
          error_number != 0 ? strerror(error_number) : "");
  exit(1);
}

std::uint64_t MonotonicNs() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1000000000U +
         static_cast<std::uint64_t>(now.tv_nsec);
}

void CatchSignals() {
  struct sigaction action {};
  action.sa_handler = OnTerm;  // no SA_RESTART: read and write return
  sigaction(SIGTERM, &action, nullptr);
  signal(SIGPIPE, SIG_IGN);
}

bool StopRequested() {
  return stop_requested != 0;
}

std::size_t ReadGreedily(char* buffer, std::size_t capacity) {
  std::size_t size = 0;
  for (;;) {
    const ssize_t got = read(STDIN_FILENO, buffer + size, capacity - size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) Die("read", errno);
    size += static_cast<std::size_t>(got);
    int waiting = 0;
    if (got == 0 || size == capacity || ioctl(STDIN_FILENO, FIONREAD, &waiting) != 0 ||
        waiting == 0) {
      return size;
    }
  }
}

bool WriteAll(int descriptor, std::string_view data) {
  while (!data.empty()) {
    const ssize_t written = write(descriptor, data.data(), data.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return false;
    data.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}

void EnlargePipe(int descriptor) {
  fcntl(descriptor, F_SETPIPE_SZ, 1 << 20);  // fails harmlessly when it is no pipe
}

Options::Options(int argc, char** argv, const std::set<std::string>& with_value,
                 const std::set<std::string>& flags) {
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    const std::string name = argument.substr(argument.rfind("--", 0) == 0 ? 2 : 0);
    if (flags.count(name) != 0) {
      values_[name] = "";
    } else if (with_value.count(name) != 0 && i + 1 < argc) {
      values_[name] = argv[++i];
    } else {
      fprintf(stderr, "%s: '%s' is not an option or lacks its value; known are:\n",
              program_invocation_short_name, argv[i]);
      for (const std::string& known : with_value)
        fprintf(stderr, "  --%s VALUE\n", known.c_str());
      for (const std::string& known : flags) fprintf(stderr, "  --%s\n", known.c_str());
      exit(2);
    }
  }
}

std::string Options::Text(const std::string& name, const std::string& fallback) const {
  const auto found = values_.find(name);
  return found == values_.end() ? fallback : found->second;
}

std::uint64_t Options::Number(const std::string& name, std::uint64_t fallback) const {
  return Has(name) ? WithUnit(name, Text(name), std::array<Unit, 1>{{{"", 1}}}) : fallback;
}

std::uint64_t Options::Size(const std::string& name, std::uint64_t fallback) const {
  return Has(name) ? WithUnit(name, Text(name), kSizes) : fallback;
}

std::uint64_t Options::DurationNs(const std::string& name, std::uint64_t fallback) const {
  return Has(name) ? WithUnit(name, Text(name), kDurations) : fallback;
}

struct Hasher::State {
  XXH3_state_t* xxh = XXH3_createState();
  ~State() { XXH3_freeState(xxh); }
};

Hasher::Hasher() : state_(std::make_unique<State>()) {
  if (state_->xxh == nullptr || XXH3_64bits_reset(state_->xxh) != XXH_OK) Die("XXH3 state");
}

Hasher::~Hasher() = default;

void Hasher::Update(const void* data, std::size_t size) {
  if (XXH3_64bits_update(state_->xxh, data, size) != XXH_OK) Die("XXH3 update");
}

std::string Hasher::Hex() const {
  std::array<char, 17> text{};
  snprintf(text.data(), text.size(), "%016llx",
           static_cast<unsigned long long>(XXH3_64bits_digest(state_->xxh)));
  return text.data();
}

void Report::AddRaw(const std::string& key, const std::string& json) {
  fields_ += (fields_.empty() ? "  \"" : ",\n  \"") + key + "\": " + json;
}

void Report::Add(const std::string& key, std::uint64_t value) {
  AddRaw(key, std::to_string(value));
}

void Report::Add(const std::string& key, double value) {
  std::array<char, 64> text{};
  snprintf(text.data(), text.size(), "%.6f", value);
  AddRaw(key, text.data());
}

void Report::Add(const std::string& key, const std::string& value) {
  AddRaw(key, "\"" + value + "\"");
}

void Report::Print() const {
  printf("{\n%s\n}\n", fields_.c_str());
}

void Report::Save(const std::string& path) const {
  if (path.empty()) return;
  const std::string temporary = path + ".tmp";
  FILE* file = fopen(temporary.c_str(), "we");
  if (file == nullptr) Die("cannot create " + temporary, errno);
  const bool written = fprintf(file, "{\n%s\n}\n", fields_.c_str()) > 0;
  if (fclose(file) != 0 || !written) Die("cannot write " + temporary, errno);
  if (rename(temporary.c_str(), path.c_str()) != 0) Die("cannot rename " + temporary, errno);
}

}  // namespace pipedup::bench
