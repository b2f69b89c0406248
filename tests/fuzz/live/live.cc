// Fuzzes a publisher that runs, at its sockets:
//
//   fuzz_live [--way memory|wait|disk|keys] [--seed N] [--round R] [--rounds N | --seconds S]
//             [--connections N] [--rss-mib M] [--bin DIR]
//
// In each round many connections send what a seed tells: mutated greetings, handshakes, frames,
// subscriptions and control messages, in parts, side by side, some until they are closed or
// reset, while known bytes are published. With --way keys most of them do so within CURVE, with
// keys of the list and others, and the list changes meanwhile. After it the publisher serves, a
// good subscriber over TCP has got every byte, the publisher's own memory is under --rss-mib
// (64, with a sanitizer 1024) and its descriptors are as many as before.
//
// When something does not hold: exit status 1, the seed, the round (--round R runs it alone)
// and every byte that was sent in it, connection by connection. (Keys of the list are new each
// time, and so are the bytes within CURVE.)
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "base/sanitizer.h"
#include "base/text.h"
#include "connection.h"
#include "keyed_peer.h"
#include "peers.h"
#include "support/raw_peer.h"
#include "support/wait.h"
#include "target.h"

namespace {

using namespace pipedup;
using namespace pipedup::fuzz;

constexpr std::uint64_t kMostMib = kSanitized ? 1024 : 64;
constexpr std::size_t kAtATime = 12;                 // connections that are being talked over
constexpr std::size_t kMostStaying = 40;             // and that just stay
constexpr std::uint64_t kMostProduced = 4000;        // bytes after each part
constexpr std::uint64_t kPlainWithKeys = 6;          // one in so many does not encrypt
constexpr std::uint64_t kPartsBetweenChanges = 100;  // of the list of keys

/// The bytes as they were sent, in C's way of writing them.
void Show(const std::vector<std::unique_ptr<Conversation>>& all) {
  constexpr const char* kEnds[] = {"closed", "reset", "stays"};
  for (std::size_t i = 0; i < all.size(); ++i) {
    std::fprintf(stderr, "connection %zu, %s, %s\n", i, all[i]->control ? "control" : "data",
                 kEnds[static_cast<int>(all[i]->end)]);
    for (const std::string& part : all[i]->parts) {
      std::fprintf(stderr, "  %s\n", Escape(part, part.size()).c_str());
    }
  }
}

/// That what is sent is understood: else nothing here would be worth anything.
void ExpectAnAnswer(const Target& target) {
  if (target.keys() != nullptr) {
    if (ServesOneWithAKey(target.port(), *target.keys(), target.known())) return;
    throw std::runtime_error("a sound conversation is not answered");
  }
  const Conversation recorded = Recorded(target.known());
  test::RawPeer peer(static_cast<std::uint16_t>(target.port() + 1));
  for (const std::string& part : recorded.parts) {
    peer.Send(part);
    // The answer to the handshake: greeting and READY.
    if (!test::Eventually([&] { return peer.Received().size() >= 64 + 27; })) break;
  }
  const bool answered = test::Eventually(
      [&] { return peer.Received().find("\"op\":\"done\"") != std::string::npos; });
  if (!answered) throw std::runtime_error("a sound conversation is not answered");
}

/// A peer, and the conversation that it has.
std::unique_ptr<Peer> MakePeer(const Target& target, Dice& dice, Overheard& overheard,
                               Conversation& conversation) {
  const bool encrypts = target.keys() != nullptr && !dice.OneIn(kPlainWithKeys);
  if (!encrypts) {
    conversation = MakeConversation(dice, target.known());
    conversation.shakes = conversation.shakes && target.keys() == nullptr;
    return std::make_unique<PlainPeer>(target.port(), conversation);
  }
  conversation.control = dice.OneIn(2);
  conversation.end = static_cast<End>(dice.Below(3));
  return std::make_unique<KeyedPeer>(target.port(), *target.keys(), target.known(), dice.Any(),
                                     overheard, conversation);
}

bool SendsMore(Target& target, Peer& peer) {
  try {
    return peer.SendNext();
  } catch (const NotAnswered&) {
    if (!target.WasRemade()) throw;
    return false;
  }
}

void RunRound(Target& target, Dice dice, std::uint64_t connections,
              std::vector<std::unique_ptr<Conversation>>* all) {
  ExpectAnAnswer(target);
  Overheard overheard;
  std::vector<std::unique_ptr<Peer>> active;
  std::vector<std::unique_ptr<Peer>> staying;
  while (all->size() < connections || !active.empty()) {
    if (all->size() < connections && active.size() < kAtATime) {
      all->push_back(std::make_unique<Conversation>());
      active.push_back(MakePeer(target, dice, overheard, *all->back()));
    }
    std::swap(active[dice.Below(active.size())], active.back());
    if (!SendsMore(target, *active.back())) {
      if (active.back()->stays() && staying.size() < kMostStaying) {
        staying.push_back(std::move(active.back()));
      } else {
        active.back()->Finish();
      }
      active.pop_back();
    }
    target.Produce(1 + dice.Below(kMostProduced));
    if (target.keys() != nullptr && dice.OneIn(kPartsBetweenChanges)) target.ChangeList(dice);
  }
  for (const auto& peer : staying) peer->Finish();
  staying.clear();
  target.Check();
}

std::uint64_t Number(const std::map<std::string, std::string>& options, const std::string& name,
                     std::uint64_t otherwise) {
  const auto found = options.find(name);
  return found == options.end() ? otherwise : std::stoull(found->second);
}

int Run(const std::map<std::string, std::string>& options) {
  const std::uint64_t seed = Number(options, "--seed", 1);
  const std::uint64_t seconds = Number(options, "--seconds", 0);
  const std::uint64_t rounds = Number(options, "--rounds", seconds > 0 ? UINT64_MAX : 3);
  const std::uint64_t connections = Number(options, "--connections", 60);
  const std::uint64_t only = Number(options, "--round", UINT64_MAX);
  const auto deadline = test::Clock::now() + std::chrono::seconds(seconds);
  const std::string way = options.contains("--way") ? options.at("--way") : "memory";
  if (options.contains("--bin")) test::UseProgramsIn(options.at("--bin"));

  std::uint64_t round = only == UINT64_MAX ? 0 : only;
  std::uint64_t sent = 0;
  std::uint64_t most_bytes = 0;
  std::unique_ptr<Target> target;
  std::vector<std::unique_ptr<Conversation>> all;
  try {
    target = std::make_unique<Target>(way, Number(options, "--rss-mib", kMostMib) << 20);
    for (std::uint64_t done = 0; done < (only == UINT64_MAX ? rounds : 1); ++done, ++round) {
      if (seconds > 0 && test::Clock::now() > deadline) break;
      all.clear();
      RunRound(*target, Dice(seed * 1'000'003 + round), connections, &all);
      sent += all.size();
      most_bytes = std::max(most_bytes, target->anonymous_bytes());
    }
    target->Finish();
  } catch (const std::exception& error) {
    std::fprintf(stderr,
                 "fuzz_live: --way %s --seed %llu --round %llu --connections %llu: %s\n",
                 way.c_str(), static_cast<unsigned long long>(seed),
                 static_cast<unsigned long long>(round),
                 static_cast<unsigned long long>(connections), error.what());
    if (target) std::fprintf(stderr, "The publisher said:\n%s", target->log().c_str());
    Show(all);
    return 1;
  }
  std::printf("%llu connections, the publisher held at most %llu MiB\n",
              static_cast<unsigned long long>(sent),
              static_cast<unsigned long long>(most_bytes >> 20));
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  std::map<std::string, std::string> options;
  for (int i = 1; i + 1 < argc; i += 2) options[argv[i]] = argv[i + 1];
  for (const auto& [name, value] : options) {
    constexpr std::string_view kNames =
        " --way --seed --round --rounds --seconds --connections --rss-mib --bin ";
    if (argc % 2 == 1 && kNames.find(" " + name + " ") != kNames.npos) continue;
    std::fprintf(stderr, "fuzz_live: unknown option '%s', or a value is missing\n",
                 name.c_str());
    return 2;
  }
  try {
    return Run(options);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "fuzz_live: %s\n", error.what());
    return 2;
  }
}
