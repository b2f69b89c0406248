#include "programs/sub_reports.h"

#include "base/text.h"
#include "base/units.h"

namespace pipedup {
namespace {

std::string Range(const Gap& gap) {
  return std::to_string(gap.bytes()) + " bytes, positions " + std::to_string(gap.from) +
         " to " + std::to_string(gap.to);
}

Fields RangeFields(const std::string& stream, const Gap& gap) {
  return {{"stream", stream},
          {"session", Hex(gap.session)},
          {"from", gap.from},
          {"to", gap.to},
          {"bytes", gap.bytes()}};
}

}  // namespace

void ReportGap(Reporter& reporter, const std::string& stream, const Gap& gap) {
  const auto ns = [](WallTime time) { return time.time_since_epoch().count(); };
  std::string text = "gap: lost " + Range(gap);
  Fields fields = RangeFields(stream, gap);
  if (gap.records_known) {
    text += ", " + std::to_string(gap.records) + " records (from number " +
            std::to_string(gap.first_record + 1) + ")";
    fields.emplace_back("first_record", gap.first_record);
    fields.emplace_back("records", gap.records);
  }
  if (ns(gap.after) != 0) {
    text += ", published after " + FormatTime(ns(gap.after));
    fields.emplace_back("after", FormatTime(ns(gap.after)));
  }
  if (ns(gap.before) != 0) {
    text += ", until " + FormatTime(ns(gap.before));
    fields.emplace_back("before", FormatTime(ns(gap.before)));
  }
  fields.emplace_back("reason", gap.reason);
  reporter.Warn("gap", text + ": " + gap.reason, fields);
}

void ReportStreamStats(Reporter& reporter, const std::string& stream, Position begin,
                       Position position, const StreamReader& reader) {
  const ModeCounters modes = reader.counters();
  reporter.Info("stream-stats",
                "stream '" + stream + "': positions " + std::to_string(begin) + " to " +
                    std::to_string(position) + ", " + std::to_string(modes.lost_bytes) +
                    " bytes lost in " + std::to_string(modes.gaps) + " gaps",
                {{"stream", stream},
                 {"session", Hex(reader.progress().session)},
                 {"begin", begin},
                 {"position", position},
                 {"ended", reader.progress().ended},
                 {"lost_bytes", modes.lost_bytes},
                 {"lost_records", modes.lost_records},
                 {"gaps", modes.gaps}});
}

void ReportConsumerPassed(Reporter& reporter, const std::string& consumer,
                          std::uint64_t behind) {
  reporter.Warn(
      "losing",
      "consumer '" + consumer + "' is " + FormatSize(behind) + " behind and is losing data",
      {{"consumer", consumer}, {"behind_bytes", behind}});
}

std::string At(const std::string& endpoint) {
  return endpoint.empty() ? "" : " at " + endpoint;
}

std::string From(const std::string& endpoint) {
  return endpoint.empty() ? "" : " from " + endpoint;
}

void ReportStandsApart(Reporter& reporter, const std::string& endpoint,
                       const control::Welcome& session, SessionId read) {
  reporter.Warn("apart",
                "the publisher" + At(endpoint) + " has session " + Hex(session.session) +
                    " of stream '" + session.stream + "'; session " + Hex(read) +
                    " is read from the others as long as one has it",
                {{"endpoint", endpoint},
                 {"stream", session.stream},
                 {"session", Hex(session.session)},
                 {"read_session", Hex(read)}});
}

std::string Endpoints(const SubscribeOptions& options) {
  std::string all;
  for (const std::string& one : options.endpoints) all += (all.empty() ? "" : ", ") + one;
  return all;
}

std::string GiveUpText(const SubscribeOptions& options, bool welcomed, bool keys) {
  const std::string limit = FormatDuration(options.give_up) + " (--give-up)";
  if (welcomed) {
    return "the publisher vanished before the end of the stream: not heard for " + limit +
           (keys ? "; it may no longer allow this subscriber's key" : "");
  }
  return "publisher at " + Endpoints(options) + " not reached for " + limit +
         (keys ? "; it may not know this subscriber's key, or --server-key may be the key of "
                 "another one"
               : "");
}

void ReportConsumerGap(Reporter& reporter, const std::string& stream,
                       const std::string& consumer, const Gap& gap) {
  Fields fields = RangeFields(stream, gap);
  fields.insert(fields.begin(), {"consumer", consumer});
  fields.emplace_back("reason", gap.reason);
  reporter.Warn(
      "gap", "gap: consumer '" + consumer + "' lost " + Range(gap) + ": " + gap.reason, fields);
}

}  // namespace pipedup
