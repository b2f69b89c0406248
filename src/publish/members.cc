#include "publish/members.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/text.h"

namespace pipedup {
namespace {

constexpr std::size_t kMostEarlierRoutes = 4;
constexpr auto kHeardThere = std::chrono::seconds(3);  // a member speaks every 2 s

}  // namespace

std::string Member::Label() const {
  std::string label = "'" + Escape(name.empty() ? id : name, 80) + "'";
  if (!address.empty()) label += " at " + Escape(address, 80);
  if (!key.empty()) label += " (key '" + Escape(key, 80) + "')";
  return label;
}

Member* Members::FindByRoute(const std::string& route) {
  const auto found = id_of_route_.find(route);
  return found == id_of_route_.end() ? nullptr : FindById(found->second);
}

Member* Members::FindById(const std::string& id) {
  const auto found = by_id_.find(id);
  return found == by_id_.end() ? nullptr : &found->second;
}

Member& Members::Join(const std::string& id, const std::string& route) {
  Member& member = by_id_[id];
  member.id = id;
  if (member.route != route) {
    if (!member.route.empty()) {
      id_of_route_.erase(member.route);
      member.earlier_routes.push_back(member.route);
      if (member.earlier_routes.size() > kMostEarlierRoutes) member.earlier_routes.pop_front();
    }
    member.route = route;
  }
  id_of_route_[route] = id;
  return member;
}

bool Members::IsLate(const std::string& id, const std::string& route, TimePoint now) {
  const Member* const member = FindById(id);
  return member != nullptr && !member->route.empty() && member->route != route &&
         now - member->heard < kHeardThere &&
         std::ranges::find(member->earlier_routes, route) != member->earlier_routes.end();
}

void Members::Restore(Member member) {
  const std::string id = member.id;
  by_id_.emplace(id, std::move(member));
}

void Members::Remove(const std::string& id) {
  const auto found = by_id_.find(id);
  if (found == by_id_.end()) return;
  const auto route = id_of_route_.find(found->second.route);
  if (route != id_of_route_.end() && route->second == id) id_of_route_.erase(route);
  by_id_.erase(found);
}

void Members::ForgetRoute(Member& member) {
  id_of_route_.erase(member.route);
  member.route.clear();
  member.reads.clear();
}

void Members::ForgetRoutes() {
  id_of_route_.clear();
  for (auto& [id, member] : by_id_) {
    member.route.clear();
    member.reads.clear();
  }
}

}  // namespace pipedup
