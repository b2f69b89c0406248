#include "support/programs.h"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <stdexcept>
#include <utility>

namespace pipedup::test {
namespace {

void Append(Words* words, const Words& more) {
  words->insert(words->end(), more.begin(), more.end());
}

std::optional<Json> ParseEvent(const std::string& line) {
  Json event = Json::parse(line, nullptr, false);
  if (event.is_discarded() || !event.is_object() || !event.contains("event"))
    return std::nullopt;
  return event;
}

bool Has(const Words& options, const std::string& option) {
  return std::find(options.begin(), options.end(), option) != options.end();
}

Command PublisherCommand(const TempDir& directory, Publisher::Setup setup) {
  Command command;
  command.argv = std::move(setup.wrapper);
  Append(&command.argv, {PublisherBinary(), "-v", "--log-format", "json"});
  if (!Has(setup.options, "--bind")) Append(&command.argv, {"--bind", "tcp://127.0.0.1:0"});
  Append(&command.argv, setup.options);
  if (!setup.producer.empty()) command.argv.emplace_back("--");
  Append(&command.argv, setup.producer);
  command.environment = {{"XDG_RUNTIME_DIR", directory.path()}};
  command.input = std::move(setup.input);
  command.output = std::move(setup.output);
  return command;
}

Command SubscriberCommand(const std::string& endpoint, const Words& options, Stdio output) {
  Command command;
  command.argv = {SubscriberBinary(), "-v", "--log-format", "json", "--stats"};
  if (std::getenv(kAttached) == nullptr) command.argv.emplace_back("--no-attach");
  Append(&command.argv, options);
  command.argv.push_back(endpoint);
  command.output = std::move(output);
  return command;
}

Command RelayCommand(const TempDir& directory, const std::string& from, const Words& options) {
  Command command;
  command.argv = {RelayBinary(), "-v", "--log-format", "json", "--from", from};
  Append(&command.argv, options);
  command.environment = {{"XDG_RUNTIME_DIR", directory.path()}};
  return command;
}

/// `options`, with an endpoint that is a port of its own.
Words Bound(Words options) {
  if (!Has(options, "--bind")) {
    Append(&options, {"--bind", "tcp://127.0.0.1:" + std::to_string(FreePortPair())});
  }
  return options;
}

std::string BoundIn(const Words& options) {
  return *(std::find(options.begin(), options.end(), "--bind") + 1);
}

bool SaysLive(const Json& event) {
  return event.at("message") == "mode: live" || event.at("message") == "mode: attached";
}

bool JoinedEver(Program& program, std::size_t count, Duration patience) {
  std::size_t seen = 0;
  const auto is_last = [&](const Json&) { return ++seen == count; };
  return program.WaitForEvent("joined", is_last, patience).has_value();
}

std::string NewFile(const TempDir& directory) {
  static std::atomic<int> number{0};
  return directory / ("out" + std::to_string(++number));
}

std::string& OtherPrograms() {
  static std::string directory;
  return directory;
}

std::string PathOf(const std::string& built, const char* name) {
  return OtherPrograms().empty() ? built : OtherPrograms() + "/" + name;
}

}  // namespace

void UseProgramsIn(const std::string& directory) {
  OtherPrograms() = directory;
}

const std::string& PublisherBinary() {
  static const std::string path = PathOf(PIPEDUP_PUB, "pipedup-pub");
  return path;
}

const std::string& SubscriberBinary() {
  static const std::string path = PathOf(PIPEDUP_SUB, "pipedup-sub");
  return path;
}

const std::string& RelayBinary() {
  static const std::string path = PathOf(PIPEDUP_RELAY, "pipedup-relay");
  return path;
}

const std::string& TeeBinary() {
  static const std::string path = PathOf(PIPEDUP_TEE, "pipedup-tee");
  return path;
}

const std::string& TopBinary() {
  static const std::string path = PathOf(PIPEDUP_TOP, "pipedup-top");
  return path;
}

const std::string& KeygenBinary() {
  static const std::string path = PathOf(PIPEDUP_KEYGEN, "pipedup-keygen");
  return path;
}

// ---- events ----

std::optional<Json> Program::WaitForEvent(const std::string& name, const EventTest& test,
                                          Duration patience) {
  const auto passes = [&](const std::string& line) {
    const std::optional<Json> event = ParseEvent(line);
    return event && event->at("event") == name && (!test || test(*event));
  };
  const auto line = WaitForLine(passes, patience);
  return line ? ParseEvent(*line) : std::nullopt;
}

std::vector<Json> Program::events(const std::string& name) const {
  std::vector<Json> found;
  for (const std::string& line : lines()) {
    std::optional<Json> event = ParseEvent(line);
    if (event && event->at("event") == name) found.push_back(std::move(*event));
  }
  return found;
}

// ---- publisher ----

Publisher::Publisher(const TempDir& directory, Setup setup)
    : Program(PublisherCommand(directory, std::move(setup))) {
  const auto listening = WaitForEvent("listening");
  if (!listening) throw std::runtime_error("the publisher does not listen: " + log());
  endpoint_ = listening->at("endpoint");
  session_ = listening->at("session");
}

bool Publisher::WaitForJoined(std::size_t count, Duration patience) {
  return JoinedEver(*this, count, patience);
}

bool Publisher::WriteAndEnd(std::string_view bytes, Duration patience) {
  const bool written = Write(bytes, patience);
  CloseInput();
  return written;
}

// ---- relay ----

Relay::Relay(const TempDir& directory, const std::string& from, Words options)
    : Relay(directory, from, Bound(std::move(options)), BoundTag()) {}

Relay::Relay(const TempDir& directory, const std::string& from, Words options, BoundTag)
    : Program(RelayCommand(directory, from, options)), endpoint_(BoundIn(options)) {}

bool Relay::WaitUntilListening(Duration patience) {
  return WaitForEvent("listening", {}, patience).has_value();
}

bool Relay::WaitUntilLive(Duration patience) {
  return WaitUntilListening(patience) && WaitForEvent("mode", SaysLive, patience).has_value();
}

bool Relay::WaitForJoined(std::size_t count, Duration patience) {
  return JoinedEver(*this, count, patience);
}

// ---- subscriber ----

Subscriber::Subscriber(const TempDir& directory, const std::string& endpoint, Words options)
    : Subscriber(endpoint, std::move(options), Stdio::File(NewFile(directory))) {}

Subscriber::Subscriber(const std::string& endpoint, Words options, Stdio output)
    : Program(SubscriberCommand(endpoint, options, output)), file_(output.path) {}

bool Subscriber::WaitUntilLive(Duration patience) {
  return WaitForEvent("mode", SaysLive, patience).has_value();
}

bool Subscriber::WaitForBytes(std::size_t bytes, Duration patience) {
  return Eventually([&] { return FileSize(file_) >= bytes; }, patience);
}

Json Subscriber::stats() const {
  const std::vector<Json> all = events("stats");
  return all.empty() ? Json() : all.back();
}

Account Subscriber::account(std::string delivered) const {
  return AccountOf(*this, std::move(delivered));
}

Account AccountOf(const Program& subscriber, std::string delivered) {
  const std::vector<Json> all = subscriber.events("stats");
  if (all.empty()) {
    throw std::runtime_error("the subscriber gave no account: " + subscriber.log());
  }
  const Json& totals = all.back();
  Account made;
  made.delivered = std::move(delivered);
  made.begin = totals.at("begin");
  made.position = totals.at("position");
  made.received_bytes = totals.at("received_bytes");
  made.lost_bytes = totals.at("lost_bytes");
  made.lost_records = totals.at("lost_records");
  for (const Json& gap : subscriber.events("gap")) {
    made.gaps.push_back({.session = gap.at("session"),
                         .from = gap.at("from"),
                         .to = gap.at("to"),
                         .bytes = gap.at("bytes"),
                         .first_record = gap.value("first_record", std::uint64_t{0}),
                         .records = gap.value("records", std::uint64_t{0}),
                         .records_known = gap.contains("records"),
                         .reason = gap.at("reason")});
  }
  return made;
}

Outcome RunToEnd(Command command, Duration patience) {
  if (command.output.kind == Stdio::Kind::kNull) command.output = Stdio::Pipe();
  const bool reads = command.output.kind == Stdio::Kind::kPipe;
  Process process(command);
  process.CloseInput();
  Outcome outcome;
  if (reads) outcome.out = process.ReadAll(patience);
  outcome.status = process.Wait(patience);
  outcome.errors = process.lines();
  return outcome;
}

}  // namespace pipedup::test
