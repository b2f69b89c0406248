// bench-ingest: how the bytes of a pipe get into the in-memory journal. splice(2) against
// read(2) + pwrite(2), 256 KiB at a time into 4 MiB files on tmpfs, of which the last 64 MiB
// are kept, as the journal does. Only the move is timed, not the filling of the pipe.

#include <benchmark/benchmark.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <deque>
#include <string>
#include <vector>

#include "support.h"

namespace pipedup::bench {
namespace {

constexpr std::size_t kBlockBytes = std::size_t{256} << 10;
constexpr std::size_t kSegmentBytes = std::size_t{4} << 20;
constexpr std::size_t kRetainBytes = std::size_t{64} << 20;

/// The last segments of a journal, as open files without a name: nothing is left behind.
class Segments {
 public:
  ~Segments() {
    for (const int fd : files_) close(fd);
  }

  /// Where the next block goes.
  int file() {
    if (files_.empty() || offset_ == static_cast<loff_t>(kSegmentBytes)) Roll();
    return files_.back();
  }
  loff_t& offset() { return offset_; }

 private:
  void Roll() {
    const char* runtime = getenv("XDG_RUNTIME_DIR");
    std::string path =
        std::string(runtime != nullptr ? runtime : "/dev/shm") + "/ingest-XXXXXX";
    const int fd = mkostemp(path.data(), O_CLOEXEC);
    if (fd < 0) Die("cannot create " + path, errno);
    unlink(path.c_str());
    files_.push_back(fd);
    offset_ = 0;
    if (files_.size() > kRetainBytes / kSegmentBytes) {
      close(files_.front());
      files_.pop_front();
    }
  }

  std::deque<int> files_;
  loff_t offset_ = 0;
};

void Splice(int pipe, Segments& segments) {
  const int file = segments.file();
  for (std::size_t left = kBlockBytes; left > 0;) {
    const ssize_t moved = splice(pipe, nullptr, file, &segments.offset(), left, SPLICE_F_MOVE);
    if (moved <= 0) Die("splice", errno);
    left -= static_cast<std::size_t>(moved);
  }
}

void ReadAndWrite(int pipe, Segments& segments) {
  static std::vector<char> buffer(kBlockBytes);
  const int file = segments.file();
  for (std::size_t left = kBlockBytes; left > 0;) {
    const ssize_t got = read(pipe, buffer.data(), left);
    if (got <= 0) Die("read", errno);
    if (pwrite(file, buffer.data(), static_cast<std::size_t>(got), segments.offset()) != got) {
      Die("pwrite", errno);
    }
    segments.offset() += got;
    left -= static_cast<std::size_t>(got);
  }
}

template <typename Move>
void Ingest(benchmark::State& state, Move move) {
  int pipe[2];
  if (pipe2(pipe, O_CLOEXEC) != 0) Die("pipe", errno);
  if (fcntl(pipe[0], F_SETPIPE_SZ, 1 << 20) < 0) Die("F_SETPIPE_SZ", errno);
  const std::vector<char> block(kBlockBytes, 'x');
  Segments segments;
  for (std::size_t i = 0; i < kRetainBytes / kBlockBytes; ++i) {  // start in the steady state
    if (write(pipe[1], block.data(), block.size()) < 0) Die("write", errno);
    move(pipe[0], segments);
  }
  for (auto _ : state) {
    if (write(pipe[1], block.data(), block.size()) < 0) Die("write", errno);
    const std::uint64_t start = MonotonicNs();
    move(pipe[0], segments);
    state.SetIterationTime(static_cast<double>(MonotonicNs() - start) / 1e9);
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations()) *
                          static_cast<std::int64_t>(kBlockBytes));
  close(pipe[0]);
  close(pipe[1]);
}

BENCHMARK_CAPTURE(Ingest, splice, Splice)->UseManualTime()->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(Ingest, read_pwrite, ReadAndWrite)
    ->UseManualTime()
    ->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace pipedup::bench

BENCHMARK_MAIN();
