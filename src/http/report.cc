#include "http/report.h"

#include <algorithm>
#include <array>
#include <functional>
#include <nlohmann/json.hpp>
#include <sstream>
#include <utility>

#include "pipedup/version.h"

namespace pipedup::http {
namespace {

using nlohmann::ordered_json;

enum class Type : std::uint8_t { kCounter, kGauge };

/// A counter of `stats` that is a metric as it stands.
struct Known {
  const char* counter;
  const char* name;
  Type type;
  const char* help;
};

constexpr std::array kOfStreams = {
    Known{"bytes", "pipedup_published_bytes_total", Type::kCounter,
          "Bytes of the stream that were published: the position of its head."},
    Known{"records", "pipedup_published_records_total", Type::kCounter,
          "Records that were published."},
    Known{"blocks", "pipedup_published_blocks_total", Type::kCounter,
          "Blocks that were published."},
    Known{"heads", "pipedup_heartbeats_total", Type::kCounter,
          "Messages without data that said how far the stream is."},
    Known{"live_bytes", "pipedup_live_bytes_total", Type::kCounter,
          "Bytes of blocks that were sent live, once for all subscribers."},
    Known{"live_wire_bytes", "pipedup_live_wire_bytes_total", Type::kCounter,
          "The same as they were sent: fewer if they were compressed."},
    Known{"replayed_wire_bytes", "pipedup_replayed_wire_bytes_total", Type::kCounter,
          "Bytes of ranges as they were sent to subscribers that asked for them."},
    Known{"dropped_bytes", "pipedup_journal_dropped_bytes_total", Type::kCounter,
          "Bytes that retention has dropped."},
    Known{"damaged_bytes", "pipedup_journal_damaged_bytes_total", Type::kCounter,
          "Bytes that were found damaged or missing."},
    Known{"no_space", "pipedup_journal_no_space_total", Type::kCounter,
          "Times that the file system had no room."},
    Known{"memory_segments", "pipedup_journal_memory_segments_total", Type::kCounter,
          "Segments that had to live in private memory."},
    Known{"sync_errors", "pipedup_journal_sync_errors_total", Type::kCounter,
          "Times that the disk could not be synced."},
    Known{"pinned_bytes", "pipedup_journal_pinned_bytes", Type::kGauge,
          "Bytes of dropped segments that peers still hold."},
    Known{"compressed_bytes_held", "pipedup_compressed_held_bytes", Type::kGauge,
          "Compressed bytes that peers still hold."},
    Known{"holds", "pipedup_producer_holds_total", Type::kCounter,
          "Times that the producer was made to wait for a subscriber."},
    Known{"let_go", "pipedup_subscribers_let_go_total", Type::kCounter,
          "Subscribers that stood still and are no longer waited for."},
    Known{"taken_back", "pipedup_subscribers_taken_back_total", Type::kCounter,
          "Subscribers that were let go and have caught up since."},
};

constexpr std::array kOfProcess = {
    Known{"hellos", "pipedup_hellos_total", Type::kCounter, "Requests to become a subscriber."},
    Known{"hellos_refused", "pipedup_hellos_refused_total", Type::kCounter,
          "Those that were refused."},
    Known{"reads", "pipedup_range_reads_total", Type::kCounter,
          "Ranges that subscribers asked for."},
    Known{"replayed_bytes", "pipedup_replayed_bytes_total", Type::kCounter,
          "Bytes of the ranges that were sent."},
    Known{"reads_refused", "pipedup_range_reads_refused_total", Type::kCounter,
          "Ranges that were asked for beyond a subscriber's credit."},
    Known{"bad_requests", "pipedup_bad_requests_total", Type::kCounter,
          "Control messages that could not be read, or came from no subscriber."},
    Known{"requests_ignored", "pipedup_requests_ignored_total", Type::kCounter,
          "Control messages beyond what a connection may send."},
    Known{"answers_dropped", "pipedup_answers_dropped_total", Type::kCounter,
          "Answers that were not sent, as the peer does not read or is gone."},
    Known{"members_vanished", "pipedup_subscribers_vanished_total", Type::kCounter,
          "Subscribers that went without a word."},
    Known{"socket_remakes", "pipedup_socket_remakes_total", Type::kCounter,
          "Times that a socket was made anew because of what its peers held."},
    Known{"memory_trims", "pipedup_memory_trims_total", Type::kCounter,
          "Times that freed memory was given back to the system."},
    Known{"private_bytes", "pipedup_private_memory_bytes", Type::kGauge,
          "Memory that is this process's own, as of the last look."},
    Known{"peers_admitted", "pipedup_peers_admitted_total", Type::kCounter,
          "Connections that were let in."},
    Known{"peers_refused", "pipedup_peers_refused_total", Type::kCounter,
          "Connections that were not."},
    Known{"connections_accepted", "pipedup_connections_accepted_total", Type::kCounter,
          "Connections that were accepted, of HTTP too."},
    Known{"connections_refused", "pipedup_connections_refused_total", Type::kCounter,
          "Connections that were closed at once, as no descriptors were left."},
    Known{"connections_cut", "pipedup_connections_cut_total", Type::kCounter,
          "Connections that were closed because of what they sent."},
};

/// Families one after another, each with its HELP and TYPE before its samples.
class Text {
 public:
  Text() { text_.precision(15); }
  void Family(const char* name, Type type, const char* help) {
    name_ = name;
    text_ << "# HELP " << name << ' ' << help << "\n# TYPE " << name
          << (type == Type::kCounter ? " counter\n" : " gauge\n");
  }
  template <typename Value>
  void Sample(Value value) {
    text_ << name_ << ' ' << value << '\n';
  }
  template <typename Value>
  void Sample(const std::string& stream, Value value) {
    text_ << name_ << "{stream=\"" << LabelValue(stream) << "\"} " << value << '\n';
  }
  void SampleVersion(std::string_view version) {
    text_ << name_ << "{version=\"" << LabelValue(std::string(version)) << "\"} 1\n";
  }
  std::string str() const { return text_.str(); }

 private:
  std::ostringstream text_;
  const char* name_ = "";
};

std::uint64_t CounterOf(const control::Stats& stats, const char* name) {
  const auto found = stats.counters.find(name);
  return found == stats.counters.end() ? 0 : found->second;
}

/// One family of which every stream has a sample.
struct Derived {
  const char* name;
  Type type;
  const char* help;
  std::function<double(const control::Stats&)> value;
};

double Worst(const control::Stats& stats,
             const std::function<double(const control::SubscriberRow&)>& of) {
  double worst = 0;
  for (const control::SubscriberRow& row : stats.subscribers) worst = std::max(worst, of(row));
  return worst;
}

std::vector<Derived> DerivedFamilies() {
  using control::Stats;
  using control::SubscriberRow;
  const auto size = [](auto value) { return static_cast<double>(value); };
  return {
      {"pipedup_journal_retained_bytes", Type::kGauge, "Bytes of the stream that are kept.",
       [=](const Stats& s) { return size(s.head - std::min(s.head, s.tail)); }},
      {"pipedup_subscribers", Type::kGauge, "Subscribers that are there.",
       [=](const Stats& s) { return size(s.subscribers_total); }},
      {"pipedup_subscribers_worst_lag_bytes", Type::kGauge,
       "How far the slowest subscriber is behind.",
       [=](const Stats& s) {
         return Worst(s, [=](const SubscriberRow& row) { return size(row.lag_bytes); });
       }},
      {"pipedup_subscribers_worst_lag_seconds", Type::kGauge,
       "How long ago the slowest subscriber's next byte was published.",
       [](const Stats& s) {
         return Worst(s, [](const SubscriberRow& row) { return row.lag_seconds; });
       }},
      {"pipedup_subscribers_lost_bytes", Type::kGauge,
       "What the subscribers that are there report as lost.",
       [=](const Stats& s) {
         double sum = 0;
         for (const SubscriberRow& row : s.subscribers) sum += size(row.lost);
         return sum;
       }},
  };
}

struct OfReaders {
  const char* name;
  Type type;
  const char* help;
  std::atomic<std::uint64_t> ReaderCounters::*counter;
};

constexpr std::array kOfReaders = {
    OfReaders{"pipedup_http_readers", Type::kGauge,
              "Responses of /stream and /events under way.", &ReaderCounters::readers},
    OfReaders{"pipedup_http_sent_bytes_total", Type::kCounter,
              "Bytes of such responses that were sent.", &ReaderCounters::sent_bytes},
    OfReaders{"pipedup_http_gaps_total", Type::kCounter,
              "Times that retention passed a reader of /stream or /events.",
              &ReaderCounters::gaps},
    OfReaders{"pipedup_http_gap_bytes_total", Type::kCounter, "Bytes that they lost by it.",
              &ReaderCounters::gap_bytes},
    OfReaders{"pipedup_http_cut_off_total", Type::kCounter,
              "Readers that were cut off before they had all of a session.",
              &ReaderCounters::cut_off},
    OfReaders{"pipedup_http_cut_off_bytes_total", Type::kCounter,
              "Bytes of it that they had not read.", &ReaderCounters::cut_off_bytes},
    OfReaders{"pipedup_http_out_of_reach_total", Type::kCounter,
              "Readers that were broken off, as no descriptor or memory was left to read.",
              &ReaderCounters::out_of_reach},
    OfReaders{"pipedup_http_gone_total", Type::kCounter,
              "Requests of /stream to begin where nothing is kept any more.",
              &ReaderCounters::gone},
};

ordered_json ReadersOf(const Stream& stream) {
  const ReaderCounters& counters = stream.counters();
  return ordered_json::object({{"readers", counters.readers.load()},
                               {"sent_bytes", counters.sent_bytes.load()},
                               {"gaps", counters.gaps.load()},
                               {"gap_bytes", counters.gap_bytes.load()},
                               {"cut_off", counters.cut_off.load()},
                               {"cut_off_bytes", counters.cut_off_bytes.load()},
                               {"out_of_reach", counters.out_of_reach.load()},
                               {"gone", counters.gone.load()}});
}

}  // namespace

std::string LabelValue(const std::string& text) {
  std::string value;
  for (const char c : text) {
    if (c == '\\' || c == '"') value += '\\';
    if (c == '\n') {
      value += "\\n";
    } else {
      value += c;
    }
  }
  return value;
}

std::string Metrics(const Snapshot& snapshot,
                    const std::vector<std::shared_ptr<Stream>>& streams,
                    const ServerCounters& server) {
  Text text;
  text.Family("pipedup_build_info", Type::kGauge, "The version, as a label.");
  text.SampleVersion(kRelease);
  for (const Known& known : kOfStreams) {
    text.Family(known.name, known.type, known.help);
    for (const auto& stats : snapshot.streams) {
      text.Sample(stats.stream, CounterOf(stats, known.counter));
    }
  }
  for (const Derived& derived : DerivedFamilies()) {
    text.Family(derived.name, derived.type, derived.help);
    for (const auto& stats : snapshot.streams) text.Sample(stats.stream, derived.value(stats));
  }
  text.Family("pipedup_stream_ended", Type::kGauge, "1 if nothing more will be published.");
  for (const auto& stream : streams) {
    text.Sample(stream->name(), stream->state() == Stream::State::kEnded ? 1 : 0);
  }
  for (const OfReaders& of : kOfReaders) {
    text.Family(of.name, of.type, of.help);
    for (const auto& stream : streams) {
      text.Sample(stream->name(), (stream->counters().*of.counter).load());
    }
  }
  text.Family("pipedup_http_connections", Type::kGauge, "Connections of HTTP that are open.");
  text.Sample(server.connections);
  text.Family("pipedup_http_requests_total", Type::kCounter, "Requests that were made.");
  text.Sample(server.requests);
  text.Family("pipedup_http_requests_refused_total", Type::kCounter,
              "Requests that were answered with a status from 400 on.");
  text.Sample(server.refused);
  if (snapshot.streams.empty()) return text.str();
  for (const Known& known : kOfProcess) {  // the same in each of them
    text.Family(known.name, known.type, known.help);
    text.Sample(CounterOf(snapshot.streams.front(), known.counter));
  }
  return text.str();
}

std::string StatsJson(const Snapshot& snapshot,
                      const std::vector<std::shared_ptr<Stream>>& streams,
                      const ServerCounters& server) {
  ordered_json all = {{"streams", ordered_json::array()},
                      {"http",
                       {{"connections", server.connections},
                        {"requests", server.requests},
                        {"requests_refused", server.refused}}}};
  for (const control::Stats& stats : snapshot.streams) {
    ordered_json one = ordered_json::parse(control::Encode(stats));
    one.erase("op");
    const auto stream = std::ranges::find_if(
        streams, [&](const auto& each) { return each->name() == stats.stream; });
    if (stream != streams.end()) {
      one["ended"] = (*stream)->state() == Stream::State::kEnded;
      one["http"] = ReadersOf(**stream);
    }
    all["streams"].push_back(std::move(one));
  }
  return all.dump() + "\n";
}

}  // namespace pipedup::http
