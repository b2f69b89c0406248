#include "http/exchanges.h"

#include <algorithm>

namespace pipedup::http {
namespace {

// That are kept free: at the limit itself no other one would be accepted.
constexpr std::size_t kFree = 16;
constexpr std::size_t kFreePart = 8;  // of a low limit

}  // namespace

bool Exchanges::Open(const void* connection, int descriptor, TimePoint now) {
  const std::lock_guard lock(mutex_);
  if (all_.size() + std::min(kFree, limits_.most / kFreePart) >= limits_.most) MakeRoom();
  all_[connection] = {descriptor, Doing::kRequest, now};
  return all_.size() == 1;
}

void Exchanges::Gone(const void* connection) {
  const std::lock_guard lock(mutex_);
  all_.erase(connection);
}

void Exchanges::AwaitsRequest(const void* connection, TimePoint now) {
  Set(connection, Doing::kRequest, now);
}

void Exchanges::TakesAnswer(const void* connection, TimePoint now) {
  Set(connection, Doing::kAnswer, now);
}

void Exchanges::TakesStream(const void* connection, TimePoint now) {
  Set(connection, Doing::kStream, now);
}

void Exchanges::Set(const void* connection, Doing doing, TimePoint now) {
  const std::lock_guard lock(mutex_);
  const auto found = all_.find(connection);
  if (found == all_.end() || found->second.doing == Doing::kGoes) return;
  found->second.doing = doing;
  found->second.since = now;
}

void Exchanges::MakeRoom() {
  Exchange* oldest = nullptr;
  for (auto& [connection, exchange] : all_) {
    if (exchange.doing != Doing::kRequest && exchange.doing != Doing::kAnswer) continue;
    if (oldest == nullptr || exchange.since < oldest->since) oldest = &exchange;
  }
  if (oldest != nullptr) End(oldest);
}

void Exchanges::End(Exchange* exchange) {
  exchange->doing = Doing::kGoes;
  close_(exchange->descriptor);
}

bool Exchanges::Look(TimePoint now) {
  const std::lock_guard lock(mutex_);
  for (auto& [connection, exchange] : all_) {
    const Duration taken = now - exchange.since;
    if ((exchange.doing == Doing::kRequest && taken > limits_.request) ||
        (exchange.doing == Doing::kAnswer && taken > limits_.answer)) {
      End(&exchange);
    }
  }
  return !all_.empty();
}

std::size_t Exchanges::count() const {
  const std::lock_guard lock(mutex_);
  return all_.size();
}

}  // namespace pipedup::http
