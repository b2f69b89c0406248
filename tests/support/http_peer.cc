#include "support/http_peer.h"

#include <algorithm>
#include <cctype>
#include <charconv>

namespace pipedup::test {
namespace {

std::string Lower(std::string text) {
  std::ranges::transform(text, text.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

}  // namespace

HttpPeer::HttpPeer(std::uint16_t port, const std::string& target, const Headers& headers,
                   const std::string& method)
    : peer_(port), has_body_(method != "HEAD") {
  std::string text = method + " " + target + " HTTP/1.1\r\n";
  if (!headers.contains("Host")) text += "Host: 127.0.0.1:" + std::to_string(port) + "\r\n";
  for (const auto& [name, value] : headers) text += name + ": " + value + "\r\n";
  peer_.Send(text + "\r\n");
}

bool HttpPeer::ParseHead(const std::string& all) {
  const std::size_t end = all.find("\r\n\r\n");
  if (end == std::string::npos) return false;
  (void)std::from_chars(all.data() + 9, all.data() + 12, status_);
  for (std::size_t at = all.find("\r\n") + 2; at < end + 2;) {
    const std::size_t line_end = all.find("\r\n", at);
    const std::size_t colon = all.find(": ", at);
    if (colon < line_end) {
      headers_[Lower(all.substr(at, colon - at))] = all.substr(colon + 2, line_end - colon - 2);
    }
    at = line_end + 2;
  }
  parsed_ = end + 4;
  return true;
}

void HttpPeer::Parse() {
  const std::string& all = peer_.Received();
  if (status_ == 0 && !ParseHead(all)) return;
  if (complete_) return;
  if (!has_body_ || headers_["transfer-encoding"] != "chunked") {
    body_ += all.substr(parsed_);
    parsed_ = all.size();
    const std::string& length = headers_["content-length"];
    complete_ = !has_body_ || (!length.empty() && body_.size() == std::stoul(length));
    return;
  }
  while (true) {
    const std::size_t line_end = all.find("\r\n", parsed_);
    if (line_end == std::string::npos) return;
    std::size_t size = 0;
    (void)std::from_chars(all.data() + parsed_, all.data() + line_end, size, 16);
    if (all.size() < line_end + 2 + size + 2) return;
    body_.append(all, line_end + 2, size);
    parsed_ = line_end + 2 + size + 2;
    if (size > 0) continue;
    complete_ = true;
    return;
  }
}

int HttpPeer::status(Duration patience) {
  (void)Eventually(
      [this] {
        Parse();
        return status_ != 0;
      },
      patience);
  return status_;
}

std::string HttpPeer::header(const std::string& name) {
  (void)status();
  return headers_[name];
}

const std::string& HttpPeer::body() {
  Parse();
  return body_;
}

bool HttpPeer::WaitForBytes(std::size_t bytes, Duration patience) {
  return Eventually([&] { return body().size() >= bytes; }, patience);
}

bool HttpPeer::WaitForText(std::string_view text, Duration patience) {
  return Eventually([&] { return body().find(text) != std::string::npos; }, patience);
}

const std::string& HttpPeer::ReadToTheEnd(Duration patience) {
  (void)Eventually([this] { return over(); }, patience);
  return body();
}

std::vector<HttpEvent> ParseEvents(std::string_view text) {
  std::vector<HttpEvent> events;
  HttpEvent event;
  bool has_data = false;
  while (true) {
    const std::size_t end = text.find('\n');
    if (end == std::string_view::npos) return events;
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end + 1);
    const auto value = [line](std::string_view field) {
      return std::string(line.substr(field.size()));
    };
    if (line.starts_with("data: ")) {
      event.data += (has_data ? "\n" : "") + value("data: ");
      has_data = true;
    } else if (line.starts_with("event: ")) {
      event.name = value("event: ");
    } else if (line.starts_with("id: ")) {
      event.id = value("id: ");
    } else if (line.empty()) {
      if (has_data) events.push_back(event);
      event = {};
      has_data = false;
    }
  }
}

}  // namespace pipedup::test
