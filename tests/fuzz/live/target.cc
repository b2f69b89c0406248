#include "target.h"

#include <signal.h>

#include <algorithm>
#include <stdexcept>
#include <string_view>
#include <utility>
#include <zmq.hpp>

#include "base/keys.h"
#include "support/content.h"
#include "support/proc.h"
#include "support/raw_peer.h"

namespace pipedup::fuzz {
namespace {

using test::Json;

constexpr int kPatienceMs = 40'000;
// A segment more, and up to 8 of a journal on disk that were read lately.
constexpr std::size_t kMoreDescriptors = 10;

test::Words OptionsFor(const std::string& way, const test::TempDir& directory) {
  test::Words options = {"--retain", "8MiB", "--linger", "1s"};
  if (way != "memory") {
    options.insert(options.end(), {"--slow", "wait", "--stall-limit", "500ms"});
  }
  if (way == "disk") options.insert(options.end(), {"--journal", directory / "journal"});
  if (way == "keys") {
    options.insert(options.end(), {"--curve-secret", directory / "publisher.secret",
                                   "--allow-keys", directory / "allowed"});
  }
  return options;
}

test::Words OptionsOfTheGoodOne(const std::string& way, const test::TempDir& directory) {
  test::Words options = {"--name", "good", "--dead-after", "1s"};
  if (way == "keys") {
    options.insert(options.end(), {"--curve-secret", directory / "good.secret", "--server-key",
                                   directory / "publisher.pub"});
  }
  return options;
}

void Require(bool holds, const std::string& what) {
  if (!holds) throw std::runtime_error(what);
}

/// Makes the files of all keys, and returns those that are used by hand.
std::optional<KeyRing> MakeKeys(const std::string& way, const test::TempDir& directory) {
  if (way != "keys") return std::nullopt;
  const auto make = [&](const char* name) {
    const test::Outcome made =
        test::RunToEnd({.argv = {test::KeygenBinary(), "-o", directory / name}});
    Require(made.status == 0, "pipedup-keygen fails");
    std::string why;
    const auto text =
        ParseSecretKey(test::ReadFile(directory / (std::string(name) + ".secret")), &why);
    Require(text.has_value(), "pipedup-keygen makes something else: " + why);
    return CurveKey::FromSecret(DecodeKey(text->text())->text());
  };
  (void)make("good");
  (void)make("asker");
  return KeyRing{.server = make("publisher").shown,
                 .allowed = make("allowed-one"),
                 .leaving = make("leaving-one")};
}

}  // namespace

Target::Target(const std::string& way, std::uint64_t most_bytes)
    : most_bytes_(most_bytes),
      keys_(MakeKeys(way, directory_)),
      publisher_(directory_, (WriteList(), OptionsFor(way, directory_))),
      good_(directory_, publisher_.endpoint(), OptionsOfTheGoodOne(way, directory_)),
      port_(test::PortOf(publisher_.endpoint())) {
  Require(good_.WaitUntilLive(), "the good subscriber does not come to LIVE");
  const Json stats = Json::parse(Ask(R"({"op":"stats"})"));
  for (const Json& row : stats.at("subscribers")) {
    if (row.at("name") == "good") good_id_ = row.at("id");
  }
  Require(!good_id_.empty(), "the good subscriber is no member");
  (void)Ask(R"({"op":"stats"})");  // again: what was made for the first one stays
  descriptors_ = test::DescriptorsOf(publisher_.pid());
}

/// The answer, over a connection of its own.
std::string Target::Ask(const std::string& request) const {
  zmq::context_t context;
  zmq::socket_t dealer(context, zmq::socket_type::dealer);
  dealer.set(zmq::sockopt::linger, 0);
  dealer.set(zmq::sockopt::rcvtimeo, kPatienceMs);
  if (keys_) {
    std::string why;
    const auto key = [&](const char* file) { return test::ReadFile(directory_ / file); };
    dealer.set(zmq::sockopt::curve_serverkey, *ParsePublicKey(key("publisher.pub"), &why));
    dealer.set(zmq::sockopt::curve_publickey, *ParsePublicKey(key("asker.pub"), &why));
    dealer.set(zmq::sockopt::curve_secretkey,
               ParseSecretKey(key("asker.secret"), &why)->text());
  }
  dealer.connect("tcp://127.0.0.1:" + std::to_string(port_ + 1));
  dealer.send(zmq::buffer(request), zmq::send_flags::none);
  zmq::message_t answer;
  Require(dealer.recv(answer).has_value(), "the publisher does not answer");
  return answer.to_string();
}

void Target::Produce(std::size_t bytes) {
  const std::string more = test::MakeRecords(produced_.size(), bytes);
  Require(publisher_.Write(more), "the publisher does not read");
  produced_ += more;
}

void Target::Check() {
  Require(publisher_.running(), "the publisher has ended");
  Require(good_.running() && good_.WaitForBytes(produced_.size()),
          "the good subscriber does not get all; it said:\n" + good_.log());
  const std::string delivered = good_.delivered();
  Require(delivered.size() == produced_.size() &&
              delivered.compare(checked_, delivered.npos, produced_, checked_) == 0,
          "the good subscriber got other bytes");
  checked_ = produced_.size();
  const Json stats = Json::parse(Ask(R"({"op":"stats"})"));
  Require(stats.at("head") == produced_.size(), "another head");
  const bool closed = test::Eventually(
      [&] { return test::DescriptorsOf(publisher_.pid()) <= descriptors_ + kMoreDescriptors; });
  Require(closed, "descriptors do not come back: " + std::to_string(descriptors_) +
                      " before, " + std::to_string(test::DescriptorsOf(publisher_.pid())) +
                      " now");
  Require(anonymous_bytes() <= most_bytes_,
          "it holds " + std::to_string(anonymous_bytes()) + " bytes of memory");
}

void Target::WriteList() const {
  if (!keys_) return;
  std::string text = "# who may come in\n";
  for (const char* name : {"good", "asker", "allowed-one", "leaving-one"}) {
    if (name != std::string_view("leaving-one") || keys_->leaving_is_in) {
      text += test::ReadFile(directory_ / (std::string(name) + ".pub"));
    }
  }
  test::WriteFile(directory_ / "allowed", text);
}

void Target::ChangeList(Dice& dice) {
  const bool breaks = dice.OneIn(4);
  if (breaks) {
    test::WriteFile(directory_ / "allowed", RandomBytes(dice, 5000) + "\nx\n");
  } else {
    keys_->leaving_is_in = !keys_->leaving_is_in;
    WriteList();
  }
  publisher_.Signal(SIGHUP);
  ++told_;
  const bool heard =
      test::Eventually([&] { return publisher_.events("keys").size() == told_; });
  Require(heard, "the list is not read again");
  if (breaks) return;
  ++keys_->changes;
  if (keys_->leaving_is_in) return;
  ++keys_->cuts;
  // The old sockets may still be there while the new ones come up.
  const bool served = test::Eventually([&] {
    try {
      return ServesOneWithAKey(port_, *keys_, known());
    } catch (const std::runtime_error&) {
      return false;
    }
  });
  Require(served, "one with a key of the list is not served after a change of it");
}

void Target::Finish() {
  publisher_.CloseInput();
  Require(good_.Wait() == 0, "the good subscriber ends otherwise; it said:\n" + good_.log());
  Require(good_.delivered() == produced_, "the good subscriber has other bytes in the end");
  // 3: one of the others has not confirmed the end.
  const int status = publisher_.Wait();
  Require(status == 0 || status == 3, "the publisher ends with " + std::to_string(status));
}

bool Target::WasRemade() {
  return test::Eventually([&] {
    const std::size_t remade = publisher_.events("remade").size();
    return std::exchange(remade_, std::max(remade_, remade)) < remade;
  });
}

Surroundings Target::known() const {
  return {publisher_.session(), good_id_, produced_.size()};
}

std::uint64_t Target::anonymous_bytes() const {
  return test::AnonymousBytes(publisher_.pid());
}

}  // namespace pipedup::fuzz
