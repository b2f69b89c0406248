#include "http/readers.h"

namespace pipedup::http {
namespace {

void Count(Position at, Position head, Readers::Unread* unread) {
  if (at >= head) return;
  ++unread->readers;
  unread->bytes += head - at;
}

}  // namespace

bool Readers::Add(Place* place) {
  const std::lock_guard lock(mutex_);
  places_.insert(place);
  if (cut_off_) place->shown_.store(Place::kCutOff);
  return !cut_off_;
}

Readers::Unread Readers::Behind(Position head) const {
  Unread unread;
  const std::lock_guard lock(mutex_);
  for (const Place* place : places_) Count(place->shown_.load(), head, &unread);
  return unread;
}

Readers::Unread Readers::CutOff(Position head) {
  Unread unread;
  const std::lock_guard lock(mutex_);
  cut_off_ = true;
  for (Place* place : places_) Count(place->shown_.exchange(Place::kCutOff), head, &unread);
  return unread;
}

}  // namespace pipedup::http
