#include "fault/account.h"

#include <algorithm>
#include <csignal>
#include <optional>
#include <utility>

namespace pipedup::test {
namespace {

using std::to_string;

/// A gap, and which life said it.
struct Said {
  GapReport gap;
  std::size_t life;
};

/// One session as one output of a subscriber has it.
struct Part {
  std::string session;
  std::size_t life = 0;  ///< in which it began
  std::uint64_t begin = 0;
  std::vector<GapReport> gaps = {};
};

GapReport ToGap(const Json& event) {
  return {.session = event.at("session"),
          .from = event.at("from"),
          .to = event.at("to"),
          .bytes = event.at("bytes"),
          .first_record = event.value("first_record", std::uint64_t{0}),
          .records = event.value("records", std::uint64_t{0}),
          .records_known = event.contains("records"),
          .reason = event.at("reason")};
}

/// Walks from `begin` through the gaps as far as `bytes` delivered bytes reach, and to the end
/// of a gap that comes next.
std::uint64_t PositionAfter(std::uint64_t begin, const std::vector<GapReport>& gaps,
                            std::uint64_t bytes) {
  std::uint64_t position = begin;
  for (const GapReport& gap : gaps) {
    if (gap.from < position || gap.from - position > bytes) break;
    bytes -= gap.from - position;
    position = gap.to;
  }
  return position + bytes;
}

/// The account of one output, over one life or, with a cursor, several.
class Output {
 public:
  Output(std::vector<const Life*> lives, std::size_t index, std::string consumer,
         const Sessions& sessions, const Checks& checks)
      : lives_(std::move(lives)),
        index_(index),
        consumer_(std::move(consumer)),
        sessions_(sessions),
        checks_(checks),
        delivered_(lives_.back()->delivered.at(index)) {}

  std::string Check() {
    CollectParts();
    CollectGaps();
    if (parts_.empty()) {
      return delivered_.empty() ? "" : "bytes were delivered before it said where it begins";
    }
    for (const Part& part : parts_) {
      if (!sessions_.contains(part.session)) return "session " + part.session + " is nobody's";
    }
    if (std::string wrong = TakeOutRepeated(); !wrong.empty()) return wrong;
    if (std::string wrong = CheckFrom(0, 0); !wrong.empty()) return wrong;
    return CheckTotals();
  }

  std::uint64_t Position(const std::string& session) {
    CollectParts();
    CollectGaps();
    // Of several, nobody knows which bytes are whose: those of the last one, then.
    if (parts_.empty() || parts_.back().session != session || parts_.size() > 1) return 0;
    return PositionAfter(parts_[0].begin, parts_[0].gaps, delivered_.size());
  }

  bool lost() const {
    return std::any_of(parts_.begin(), parts_.end(),
                       [](const Part& part) { return !part.gaps.empty(); });
  }

 private:
  /// What had been delivered when a life began.
  std::size_t DeliveredBefore(std::size_t life) const {
    return life == 0 ? 0 : lives_[life - 1]->delivered.at(index_).size();
  }

  void CollectParts() {
    for (std::size_t life = 0; life < lives_.size(); ++life) {
      for (const Json& event : lives_[life]->events) {
        const bool continues = IsEvent(event, "continues") && event.contains("old_session");
        if (!continues && !IsEvent(event, "begin")) continue;
        const std::string session = event.at("session");
        const std::uint64_t position = event.at("position");
        if (parts_.empty() || parts_.back().session != session) {
          parts_.push_back({.session = session, .life = life, .begin = position});
          continue;
        }
        Part& part = parts_.back();
        // It may begin a second time, at a record; and anew, if nothing came of the first time.
        const bool nothing_came = DeliveredBefore(life) == DeliveredBefore(part.life);
        if (part.life == life || nothing_came) {
          part.life = life;
          part.begin = position;
        }
      }
    }
  }

  void CollectGaps() {
    std::vector<Said> all;
    for (std::size_t life = 0; life < lives_.size(); ++life) {
      for (const Json& event : lives_[life]->events) {
        if (IsEvent(event, "begin")) {
          // What a life reported that died before it was there, is the next one's to report.
          const std::string session = event.at("session");
          const std::uint64_t from = event.at("position");
          std::erase_if(all, [&](const Said& said) {
            return said.life < life && said.gap.session == session && said.gap.from >= from;
          });
        }
        if (!IsEvent(event, "gap")) continue;
        if (event.contains("consumer") &&
            event.at("consumer").get_ref<const std::string&>() != consumer_)
          continue;
        all.push_back({ToGap(event), life});
      }
    }
    for (Said& said : all) {
      const auto part = std::find_if(parts_.begin(), parts_.end(), [&](const Part& each) {
        return each.session == said.gap.session;
      });
      if (part == parts_.end()) continue;
      // What nobody can know who began anew in the middle, or has only a consumer's bytes.
      const bool may_be_unknown = said.life > 0 || part != parts_.begin() ||
                                  !consumer_.empty() || checks_.records_may_be_unknown;
      if (may_be_unknown && !said.gap.records_known) FillIn(&said.gap);
      part->gaps.push_back(said.gap);
    }
  }

  void FillIn(GapReport* gap) const {
    const auto found = sessions_.find(gap->session);
    if (found == sessions_.end()) return;
    const std::string& content = found->second.content;
    const auto at = [&](std::uint64_t position) {
      return content.begin() +
             static_cast<std::ptrdiff_t>(std::min<std::uint64_t>(position, content.size()));
    };
    gap->first_record = static_cast<std::uint64_t>(
        std::count(content.begin(), at(gap->from), checks_.delimiter));
    gap->records =
        static_cast<std::uint64_t>(std::count(at(gap->from), at(gap->to), checks_.delimiter));
    gap->records_known = true;
  }

  /// With a pipe, the write that was under way at a kill may be there twice, or be there and
  /// reported lost, if it was said. Takes out what the life that was killed had of it.
  std::string TakeOutRepeated() {
    std::size_t taken_out = 0;
    for (std::size_t life = 1; life < lives_.size(); ++life) {
      for (const Json& event : lives_[life]->events) {
        if (!IsEvent(event, "repeated") || parts_.size() != 1) continue;
        const std::uint64_t from = event.at("from");
        const std::uint64_t to = event.at("to");
        std::vector<GapReport> gaps = parts_[0].gaps;
        std::erase_if(gaps, [from](const GapReport& gap) { return gap.from >= from; });
        const std::size_t before = DeliveredBefore(life) - taken_out;
        const std::uint64_t at = PositionAfter(parts_[0].begin, gaps, before);
        if (at <= from) continue;  // the write had not happened
        if (at > to)
          return "more was repeated than " + to_string(from) + " to " + to_string(to);
        const auto twice = static_cast<std::size_t>(at - from);
        const std::string_view content = sessions_.at(parts_[0].session).content;
        if (delivered_.compare(before - twice, twice, content.substr(from, twice)) != 0) {
          return "another byte was delivered between " + to_string(from) + " and " +
                 to_string(at);
        }
        delivered_.erase(before - twice, twice);
        taken_out += twice;
      }
    }
    return "";
  }

  /// How many bytes of `delivered` can be those of the part.
  std::size_t MatchLength(const Part& part, std::string_view delivered) const {
    const std::string_view content = sessions_.at(part.session).content;
    std::uint64_t position = part.begin;
    std::size_t used = 0;
    for (const GapReport& gap : part.gaps) {
      if (gap.from < position || gap.from > content.size()) return used;
      const auto wanted = static_cast<std::size_t>(gap.from - position);
      const std::size_t same =
          CommonPrefix(content.substr(position, wanted), delivered.substr(used));
      used += same;
      if (same < wanted) return used;
      position = gap.to;
    }
    if (position > content.size()) return used;
    return used + CommonPrefix(content.substr(position), delivered.substr(used));
  }

  /// How many delivered bytes bring the part to `position`; nothing if none do.
  static std::optional<std::size_t> LengthTo(const Part& part, std::uint64_t position) {
    std::uint64_t at = part.begin;
    std::uint64_t bytes = 0;
    for (const GapReport& gap : part.gaps) {
      if (gap.from < at || gap.from >= position) break;
      bytes += gap.from - at;
      at = gap.to;
    }
    if (at > position) return std::nullopt;
    return static_cast<std::size_t>(bytes + position - at);
  }

  /// Parts from `index` on, which have what was delivered from `at` on. Where one ends and the
  /// next begins is told by the bytes, of which a few may be the same by chance; or, where the
  /// positions of one session go on in the next, by where that begins.
  std::string CheckFrom(std::size_t index, std::size_t at) const {
    const std::string_view left = std::string_view(delivered_).substr(at);
    if (index + 1 == parts_.size()) return CheckPart(parts_[index], left, ended());
    const std::size_t most = MatchLength(parts_[index], left);
    constexpr std::size_t kByChance = 8;
    std::vector<std::size_t> lengths;
    for (std::size_t less = 0; less <= std::min(most, kByChance); ++less) {
      lengths.push_back(most - less);
    }
    const auto on = LengthTo(parts_[index], parts_[index + 1].begin);
    if (on && *on <= most) lengths.push_back(*on);
    std::string wrong;
    for (const std::size_t length : lengths) {
      std::string now = CheckPart(parts_[index], left.substr(0, length), false);
      if (now.empty()) now = CheckFrom(index + 1, at + length);
      if (now.empty()) return "";
      if (wrong.empty()) wrong = std::move(now);
    }
    return wrong;
  }

  std::string CheckPart(const Part& part, std::string_view delivered, bool to_the_end) const {
    const Session& session = sessions_.at(part.session);
    Account account;
    account.delivered = delivered;
    account.begin = part.begin;
    // Bytes that are too many are told of as such.
    account.position = std::min(PositionAfter(part.begin, part.gaps, delivered.size()),
                                std::max(session.produced, part.begin));
    account.gaps = part.gaps;
    account.received_bytes = delivered.size();
    for (const GapReport& gap : part.gaps) {
      account.lost_bytes += gap.bytes;
      account.lost_records += gap.records;
    }
    const Expected expected{
        .produced = std::string_view(session.content).substr(0, session.produced),
        .delimiter = checks_.delimiter,
        .until = to_the_end ? Expected::Until::kEnd : Expected::Until::kAnyByte};
    std::string wrong = CheckEquation(expected, account);
    return wrong.empty() ? "" : "session " + part.session + ": " + wrong;
  }

  /// The last life came to the end of the stream, and this output is still there.
  bool ended() const {
    const Life& last = *lives_.back();
    if (last.killed || last.cut_short || last.consumer_killed.at(index_)) return false;
    const auto said = std::find_if(last.events.rbegin(), last.events.rend(), [](const Json& e) {
      return IsEvent(e, "end") || IsEvent(e, "begin") || IsEvent(e, "continues");
    });
    return said != last.events.rend() && IsEvent(*said, "end");
  }

  /// What it says at its end about the life that it has had.
  std::string CheckTotals() const {
    const Life& last = *lives_.back();
    if (last.killed) return "";
    std::uint64_t lost = 0;
    const Json* stats = nullptr;
    for (const Json& event : last.events) {
      if (IsEvent(event, "gap") && !event.contains("consumer")) {
        lost += event.at("bytes").get<std::uint64_t>();
      }
      if (IsEvent(event, "stats")) stats = &event;
    }
    if (stats == nullptr) return "it gave no account at its end";
    if (stats->at("lost_bytes").get<std::uint64_t>() != lost) {
      return "its total says " + stats->at("lost_bytes").dump() + " bytes lost, its gaps " +
             to_string(lost);
    }
    return "";
  }

  const std::vector<const Life*> lives_;
  const std::size_t index_;
  const std::string consumer_;
  const Sessions& sessions_;
  const Checks& checks_;
  std::string delivered_;
  std::vector<Part> parts_;
};

std::string CheckStatus(const SubscriberPlan& plan, const Life& life) {
  if (life.killed) return "";
  const auto wrong = [&life](const std::string& right) {
    return "its status is " + to_string(life.status) + ", not " + right;
  };
  if (life.cut_short || plan.follow) return life.status == 128 + SIGTERM ? "" : wrong("143");
  const bool consumer_killed =
      std::find(life.consumer_killed.begin(), life.consumer_killed.end(), true) !=
      life.consumer_killed.end();
  if (consumer_killed && !plan.restart) {
    if (life.status == 128 + SIGKILL) return "";
    // Others of its consumers may have been there to see the publisher vanish.
    if (life.status != 4 || !life.publisher_gone) return wrong("137, that of its consumer");
    return "";
  }
  if (!HasSaid(life, "end")) {
    if (life.status != 4) return wrong("4, though the end of the stream was not reached");
    return life.publisher_gone ? "" : "it gave up, and the publisher was there";
  }
  // One that is killed when there is nothing left for a next one is the last one.
  if (life.another_consumer && life.status == 128 + SIGKILL) return "";
  // After a session that was cut nobody knows what was published behind the cut.
  const bool was_cut = std::ranges::any_of(life.events, [](const Json& event) {
    return IsEvent(event, "continues") && event.contains("old_session");
  });
  const int right = HasSaid(life, "gap") || was_cut ? 3 : 0;
  return life.status == right ? "" : wrong(to_string(right));
}

std::string ConsumerName(const Life& life, std::size_t index) {
  // Of its own gaps only: their order does not matter as long as each is asked for by its name.
  const std::string file = "out" + to_string(index);
  for (const Json& event : life.events) {
    if (!event.contains("consumer")) continue;
    const std::string name = event.at("consumer");
    if (name.ends_with(file)) return name;
  }
  return file;
}

std::string CheckLives(const SubscriberPlan& plan, std::vector<const Life*> lives,
                       const Sessions& sessions, const Checks& checks) {
  const Life& last = *lives.back();
  for (std::size_t i = 0; i < last.delivered.size(); ++i) {
    const std::string consumer = plan.consumers > 0 ? ConsumerName(last, i) : "";
    Output output(lives, i, consumer, sessions, checks);
    const std::string where = plan.consumers > 1 ? "consumer " + to_string(i) + ": " : "";
    if (std::string wrong = output.Check(); !wrong.empty()) return where + wrong;
    if (output.lost() && checks.nothing_may_be_lost) {
      return where + "something was lost, and --slow wait has no reason for it";
    }
  }
  for (const Life* life : lives) {
    if (std::string wrong = CheckStatus(plan, *life); !wrong.empty()) return wrong;
  }
  return "";
}

/// Lives that go on where the one before them stopped; from a damaged cursor on, an account of
/// its own, which must not begin behind the end of the last one.
std::string CheckResumed(const SubscriberPlan& plan, std::vector<Life> lives,
                         const Sessions& sessions, const Checks& checks) {
  std::size_t first = 0;
  for (std::size_t end = 1; end <= lives.size(); ++end) {
    if (end < lives.size() && !lives[end].cursor_damaged) continue;
    std::vector<const Life*> part;
    for (std::size_t i = first; i < end; ++i) part.push_back(&lives[i]);
    std::string wrong = CheckLives(plan, part, sessions, checks);
    if (!wrong.empty() || end == lives.size()) return wrong;
    for (const Json& event : lives[end].events) {
      if (!IsEvent(event, "begin")) continue;
      Output before(part, 0, "", sessions, checks);
      const std::uint64_t reached = before.Position(event.at("session"));
      if (reached > 0 && event.at("position").get<std::uint64_t>() > reached) {
        return "with a damaged cursor it begins behind " + to_string(reached);
      }
    }
    const std::vector<std::string> had = part.back()->delivered;
    for (std::size_t i = end; i < lives.size(); ++i) {
      for (std::size_t k = 0; k < had.size(); ++k)
        lives[i].delivered[k].erase(0, had[k].size());
    }
    first = end;
  }
  return "";
}

}  // namespace

bool IsEvent(const Json& event, std::string_view name) {
  return event.at("event").get_ref<const std::string&>() == name;
}

bool HasSaid(const Life& life, std::string_view name) {
  return std::any_of(life.events.begin(), life.events.end(),
                     [name](const Json& event) { return IsEvent(event, name); });
}

std::string CheckSubscriber(const SubscriberPlan& plan, const std::vector<Life>& lives,
                            const Sessions& sessions, const Checks& checks) {
  std::vector<const Life*> all;
  for (const Life& life : lives) all.push_back(&life);
  if (plan.cursor && !all.empty()) return CheckResumed(plan, lives, sessions, checks);
  for (std::size_t i = 0; i < all.size(); ++i) {
    const std::string wrong = CheckLives(plan, {all[i]}, sessions, checks);
    if (!wrong.empty()) return "life " + to_string(i) + ": " + wrong;
  }
  return "";
}

std::uint64_t ReachedPosition(const std::vector<Life>& lives, const std::string& session) {
  std::vector<const Life*> all;
  for (const Life& life : lives) all.push_back(&life);
  if (all.empty() || all.back()->delivered.empty()) return 0;
  const Sessions nothing;
  const Checks checks;
  return Output(all, 0, "", nothing, checks).Position(session);
}

}  // namespace pipedup::test
