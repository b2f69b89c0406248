// A consumer for tests of consumers that are killed: moves its stdin to the end of a file with
// splice(2), so that a byte has left the pipe exactly if it is in the file, whenever it dies.
//
//   fault-keep FILE
//
// Exit status: 0 at the end of its input, 1 if that cannot be done.
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fputs("usage: fault-keep FILE\n", stderr);
    return 1;
  }
  const int file = ::open(argv[1], O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  if (file < 0 || ::lseek(file, 0, SEEK_END) < 0) {
    std::perror(argv[1]);
    return 1;
  }
  constexpr std::size_t kMost = 1024 * 1024;
  while (true) {
    const ssize_t count = ::splice(STDIN_FILENO, nullptr, file, nullptr, kMost, SPLICE_F_MOVE);
    if (count == 0) return 0;
    if (count < 0 && errno != EINTR) {
      std::perror("splice");
      return 1;
    }
  }
}
