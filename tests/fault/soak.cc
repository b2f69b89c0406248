// fault-soak: runs seeds of the fault harness as long as one likes. See tests/fault/soak.
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <string>
#include <thread>
#include <vector>

#include "fault/campaign.h"
#include "fault/features.h"
#include "fault/relays.h"

namespace {

using namespace pipedup::test;

struct Options {
  std::size_t seeds = 0;  ///< of each kind
  std::uint64_t first = 1;
  double minutes = 0;
  std::size_t jobs = 2 * std::thread::hardware_concurrency();
  std::vector<Kind> kinds = {};
  bool relays = false;  ///< a row of them, instead of kinds
  bool show = false;    ///< what a seed does, without running it
};

[[noreturn]] void Usage(const std::string& why) {
  std::cerr << "soak: " << why << "; tests/fault/soak --help says more\n";
  std::exit(2);
}

Options Parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string option = argv[i];
    if (option == "--relays") {
      options.relays = true;
      continue;
    }
    if (option == "--show") {
      options.show = true;
      continue;
    }
    if (++i == argc) Usage(option + " needs a value");
    const std::string value = argv[i];
    if (option == "--seeds") {
      options.seeds = std::strtoull(value.c_str(), nullptr, 10);
    } else if (option == "--first" || option == "--seed") {
      options.first = std::strtoull(value.c_str(), nullptr, 10);
      if (option == "--seed") options.seeds = 1;
    } else if (option == "--minutes") {
      options.minutes = std::strtod(value.c_str(), nullptr);
    } else if (option == "--jobs") {
      options.jobs = std::strtoull(value.c_str(), nullptr, 10);
    } else if (option == "--kind") {
      const auto kind = KindOf(value);
      if (!kind) Usage("there is no kind '" + value + "'");
      options.kinds.push_back(*kind);
    } else {
      Usage("unknown option '" + option + "'");
    }
  }
  if (options.seeds == 0 && options.minutes == 0) options.seeds = 100;
  if (options.seeds == 0) options.seeds = SIZE_MAX / 2;
  if (options.minutes == 0) options.minutes = 60.0 * 24 * 365;
  if (options.kinds.empty()) {
    for (std::size_t i = 0; i < kKinds; ++i) options.kinds.push_back(static_cast<Kind>(i));
  }
  return options;
}

int SoakRelays(const Options& options) {
  const auto end =
      Clock::now() + std::chrono::duration_cast<Duration>(
                         std::chrono::duration<double, std::ratio<60>>(options.minutes));
  std::size_t runs = 0;
  std::size_t failed = 0;
  for (; runs < options.seeds && Clock::now() < end; ++runs) {
    const std::uint64_t seed = options.first + runs;
    const RelayRun run = RunRelays(seed);
    if (run.violation.empty()) continue;
    ++failed;
    std::cerr << "seed " << seed << " of relays fails: " << run.violation << "\n"
              << run.report << std::endl;
  }
  std::cout << "relays: " << runs << " seeds, " << failed << " failed" << std::endl;
  return failed == 0 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  const Options options = Parse(argc, argv);
  if (options.relays) return SoakRelays(options);
  const Features& features = GetFeatures();
  if (const std::string left_out = LeftOut(features); !left_out.empty()) {
    std::cout << left_out << std::endl;
  }
  const auto end =
      Clock::now() + std::chrono::duration_cast<Duration>(
                         std::chrono::duration<double, std::ratio<60>>(options.minutes));
  std::size_t runs = 0;
  std::size_t failed = 0;
  for (std::size_t i = 0; i < options.kinds.size(); ++i) {
    const Kind kind = options.kinds[i];
    if (options.show) {
      std::cout << MakeSchedule(kind, options.first, features).Words();
      continue;
    }
    if (const std::string why = WhyNot(kind, features); !why.empty()) {
      std::cout << NameOf(kind) << ": not run: " << why << std::endl;
      continue;
    }
    // Those that come after it have as much time each.
    const auto share = (end - Clock::now()) / static_cast<long>(options.kinds.size() - i);
    const Totals totals = RunCampaign({.kind = kind,
                                       .first = options.first,
                                       .seeds = options.seeds,
                                       .time = share,
                                       .at_a_time = options.jobs,
                                       .on_failure = [](const Failure& failure) {
                                         std::cerr << failure.Words() << std::endl;
                                       }});
    std::cout << NameOf(kind) << ": " << totals.Words() << std::endl;
    runs += totals.runs;
    failed += totals.failures.size();
  }
  if (options.show) return 0;
  std::cout << runs << " seeds, " << failed << " failed" << std::endl;
  return failed == 0 ? 0 : 1;
}
