// Asks for a publisher that is not there, and expects to be told so.
#include <pipedup/subscribe.h>
#include <pipedup/version.h>

#include <chrono>
#include <iostream>

int main() {
  pipedup::Reporter reporter({.program = "user", .verbosity = -1});
  pipedup::SubscribeOptions options;
  options.endpoints = {"ipc:///nonexistent/pipedup-user"};
  options.give_up = std::chrono::milliseconds(200);
  const int status = pipedup::Subscribe(options, reporter);
  std::cout << "pipedup " << pipedup::kRelease << ": status " << status << '\n';
  return status == 4 ? 0 : 1;
}
