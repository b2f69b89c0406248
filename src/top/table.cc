#include "top/table.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <utility>

#include "base/display.h"

namespace pipedup::top {
namespace {

constexpr std::size_t kLongestCell = 40;
constexpr std::size_t kMostCell = 400;  // bytes of a peer's text that are looked at
constexpr std::string_view kGap = "  ";

enum class Look : std::uint8_t { kPlain, kHeading, kBad, kSlow };

std::string_view Sequence(Look look) {
  switch (look) {
    case Look::kPlain:
      return "";
    case Look::kHeading:
      return "\x1b[1m";
    case Look::kBad:
      return "\x1b[31m";
    case Look::kSlow:
      break;
  }
  return "\x1b[33m";
}

struct Cell {
  std::string text;
  Look look = Look::kPlain;
};
using Row = std::vector<Cell>;

struct Heading {
  std::string_view name;
  bool right = false;  ///< numbers stand at the right
};

/// Rows of one width, the last cell of each as long as there is room.
class Table {
 public:
  Table(std::vector<Heading> headings, const TableOptions& options)
      : headings_(std::move(headings)), options_(options) {
    Row row;
    for (const Heading& heading : headings_) {
      row.push_back({std::string(heading.name), Look::kHeading});
    }
    rows_.push_back(std::move(row));
  }

  void Add(Row row) {
    for (Cell& cell : row) {
      if (&cell != &row.back()) {
        cell.text = CutToColumns(cell.text, kLongestCell, options_.utf8);
      }
    }
    rows_.push_back(std::move(row));
  }

  void AppendLines(std::vector<std::string>* lines) const {
    std::vector<std::size_t> widths(headings_.size(), 0);
    for (const Row& row : rows_) {
      for (std::size_t i = 0; i < row.size(); ++i) {
        widths[i] = std::max(widths[i], DisplayColumns(row[i].text));
      }
    }
    for (const Row& row : rows_) lines->push_back(Line(row, widths));
  }

 private:
  std::string Line(const Row& row, const std::vector<std::size_t>& widths) const {
    std::string line;
    std::size_t left = options_.columns == 0 ? SIZE_MAX : options_.columns;
    for (std::size_t i = 0; i < row.size() && left > 0; ++i) {
      std::string text = row[i].text;
      const std::size_t missing = widths[i] - DisplayColumns(text);
      const bool is_last = i + 1 == row.size();
      if (headings_[i].right) {
        text.insert(0, missing, ' ');
      } else if (!is_last) {
        text.append(missing, ' ');
      }
      if (i > 0) {
        if (left <= kGap.size()) break;
        line += kGap;
        left -= kGap.size();
      }
      text = CutToColumns(text, left, options_.utf8);
      left -= DisplayColumns(text);
      const bool colored = options_.color && row[i].look != Look::kPlain;
      line += colored ? std::string(Sequence(row[i].look)) + text + "\x1b[0m" : text;
    }
    return line;
  }

  const std::vector<Heading> headings_;
  const TableOptions& options_;
  std::vector<Row> rows_;
};

std::string RateText(const Rate& rate) {
  if (!rate) return "-";
  return FormatSize(static_cast<std::uint64_t>(std::llround(std::max(*rate, 0.0)))) + "/s";
}

/// Short: "0s", "0.2s", "12s", "2m5s".
std::string TimeText(double seconds) {
  const auto tenths = std::llround(std::min(seconds, 1e9) * 10);
  const bool whole = tenths >= 100 || tenths % 10 == 0;
  return FormatDuration(whole ? Duration(std::chrono::seconds(tenths / 10))
                              : Duration(std::chrono::milliseconds(tenths * 100)));
}

class Tables {
 public:
  Tables(const std::vector<EndpointView>& endpoints, const TableOptions& options)
      : endpoints_(endpoints), options_(options) {}

  std::vector<std::string> Lines() {
    Table streams({{"STREAM"},
                   {"STATE"},
                   {"RATE", true},
                   {"HEAD", true},
                   {"KEPT", true},
                   {"SUBS", true},
                   {"LAG", true},
                   {"BEHIND", true},
                   {"LOST", true},
                   {"AT"}},
                  options_);
    for (const EndpointView& endpoint : endpoints_) AddSilent(endpoint, &streams);
    AddStreams(&streams);
    std::vector<std::string> lines;
    streams.AppendLines(&lines);
    AppendSubscribers(&lines);
    return lines;
  }

 private:
  Cell Text(std::string_view text) const {
    return {Displayable(text.substr(0, kMostCell), options_.utf8)};
  }
  static Cell Lag(std::uint64_t bytes) { return {FormatSize(bytes)}; }
  static Cell Lost(std::uint64_t bytes) {
    return {FormatSize(bytes), bytes > 0 ? Look::kBad : Look::kPlain};
  }

  /// One that does not answer, or has nothing to tell of.
  void AddSilent(const EndpointView& endpoint, Table* table) const {
    const bool answers = endpoint.state == EndpointView::State::kAnswers;
    if (answers && !endpoint.streams.empty()) return;
    Cell state = {std::string(ToText(endpoint.state)), Look::kBad};
    Cell at = Text(endpoint.endpoint);
    if (answers || endpoint.state == EndpointView::State::kAsked) state = {"-"};
    if (endpoint.state == EndpointView::State::kAway) {
      state.text += " " + TimeText(std::chrono::duration<double>(endpoint.silent).count());
    }
    if (!endpoint.why.empty()) at.text += " (" + Text(endpoint.why).text + ")";
    // What it had when it was heard is named, as somebody may look for it.
    std::vector<Cell> names;
    for (const StreamView& stream : endpoint.streams)
      names.push_back(Text(stream.stats.stream));
    if (names.empty()) names.push_back({"-"});
    for (const Cell& name : names) {
      table->Add({name, state, {"-"}, {"-"}, {"-"}, {"-"}, {"-"}, {"-"}, {"-"}, at});
    }
  }

  void AddStreams(Table* table) {
    std::vector<std::pair<const EndpointView*, const StreamView*>> streams;
    for (const EndpointView& endpoint : endpoints_) {
      if (endpoint.state != EndpointView::State::kAnswers) continue;
      for (const StreamView& stream : endpoint.streams)
        streams.emplace_back(&endpoint, &stream);
    }
    std::ranges::stable_sort(streams, [this](const auto& a, const auto& b) {
      return ComesFirst(options_.sort, *a.second, *b.second);
    });
    for (const auto& [endpoint, stream] : streams) {
      const control::Stats& stats = stream->stats;
      const bool holds = std::ranges::any_of(stats.subscribers, &control::SubscriberRow::holds);
      const Cell state = stream->ended ? Cell{"ended"}
                         : holds       ? Cell{"waits", Look::kSlow}
                                       : Cell{"live"};
      table->Add({Text(stats.stream),
                  state,
                  {RateText(stream->rate)},
                  {FormatSize(stats.head)},
                  {FormatSize(stats.head - std::min(stats.head, stats.tail))},
                  {std::to_string(stats.subscribers_total)},
                  Lag(stream->lag_bytes()),
                  {TimeText(stream->lag_seconds())},
                  Lost(stream->lost()),
                  Text(endpoint->endpoint)});
    }
    shown_ = std::move(streams);
  }

  struct Subscriber {
    const StreamView* stream;
    const control::SubscriberRow* row;
    Rate rate;
  };

  void AppendSubscribers(std::vector<std::string>* lines) const {
    std::vector<Subscriber> all;
    std::uint64_t missing = 0;
    for (const auto& [endpoint, stream] : shown_) {
      const auto& rows = stream->stats.subscribers;
      missing += stream->stats.subscribers_total - rows.size();
      for (std::size_t i = 0; i < rows.size(); ++i) {
        const Rate rate = i < stream->subscribers.size() ? stream->subscribers[i] : Rate();
        all.push_back({stream, &rows[i], rate});
      }
    }
    if (all.empty()) return;
    std::ranges::stable_sort(all, [this](const Subscriber& a, const Subscriber& b) {
      return ComesFirst(options_.sort, *a.row, a.rate, *b.row, b.rate);
    });
    Table table({{"SUBSCRIBER"},
                 {"STREAM"},
                 {"ROLE"},
                 {"MODE"},
                 {"RATE", true},
                 {"LAG", true},
                 {"BEHIND", true},
                 {"LOST", true},
                 {"FROM"}},
                options_);
    for (const Subscriber& one : all) table.Add(SubscriberRow(one));
    lines->emplace_back();
    table.AppendLines(lines);
    if (missing > 0) {
      lines->push_back("and " + std::to_string(missing) + " that lag less");
    }
  }

  Row SubscriberRow(const Subscriber& one) const {
    const control::SubscriberRow& row = *one.row;
    const Look look =
        row.holds || row.mode == control::Mode::kCatchUp ? Look::kSlow : Look::kPlain;
    std::string mode(control::ToText(row.mode));
    if (row.holds) mode += ", holds";
    Cell from = Text(row.host);
    if (!row.address.empty()) {
      from.text += (from.text.empty() ? "" : " ") + Text(row.address).text;
    }
    if (!row.key.empty()) from.text += " (key " + Text(row.key).text + ")";
    for (const control::Replica& replica : row.replicas) {
      from.text += (from.text.empty() ? "" : ", ") + Text(replica.name).text + " " +
                   std::string(control::ToText(replica.state));
      if (replica.state == control::ReplicaState::kAway ||
          replica.state == control::ReplicaState::kBehind) {
        from.look = Look::kSlow;
      }
    }
    return {Text(row.name.empty() ? row.id : row.name),
            Text(one.stream->stats.stream),
            {std::string(control::ToText(row.role))},
            {mode, look},
            {RateText(one.rate)},
            Lag(row.lag_bytes),
            {TimeText(row.lag_seconds)},
            Lost(row.lost),
            from};
  }

  const std::vector<EndpointView>& endpoints_;
  const TableOptions& options_;
  std::vector<std::pair<const EndpointView*, const StreamView*>> shown_;
};

}  // namespace

std::vector<std::string> TableLines(const std::vector<EndpointView>& endpoints,
                                    const TableOptions& options) {
  return Tables(endpoints, options).Lines();
}

}  // namespace pipedup::top
