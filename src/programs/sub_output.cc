#include "programs/sub_output.h"

#include <csignal>
#include <string>
#include <utility>

#include "base/text.h"
#include "consume/descriptor.h"

namespace pipedup {
namespace {

bool HasConsumers(const SubscribeOptions& options) {
  return !options.consumer.empty() || !options.exec.empty();
}

ConsumersOptions MakeConsumersOptions(const SubscribeOptions& options) {
  ConsumersOptions made;
  made.restart = options.restart;
  made.output = options.output;
  if (!options.consumer.empty()) {
    std::string name;
    for (const std::string& word : options.consumer) name += (name.empty() ? "" : " ") + word;
    made.commands.push_back({Escape(name), options.consumer});
  }
  for (const std::string& command : options.exec) {
    made.commands.push_back({Escape(command), {"/bin/sh", "-c", command}});
  }
  return made;
}

}  // namespace

SignalQueue MakeSubSignals(const SubscribeOptions& options) {
  if (HasConsumers(options)) return SignalQueue({SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGCHLD});
  return SignalQueue({SIGINT, SIGTERM, SIGHUP, SIGQUIT});
}

std::unique_ptr<Output> MakeSubOutput(EventLoop& loop, const SubscribeOptions& options,
                                      WriteNotes* notes, ConsumersEvents& events) {
  if (HasConsumers(options)) {
    ConsumersOptions made = MakeConsumersOptions(options);
    made.notes = notes;
    return std::make_unique<Consumers>(loop, std::move(made), events);
  }
  return std::make_unique<DescriptorOutput>(loop, options.output, events, notes);
}

}  // namespace pipedup
