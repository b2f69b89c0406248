#include "curve.h"

#include <sodium.h>

#include <algorithm>
#include <stdexcept>

namespace pipedup::fuzz {
namespace {

using test::BigEndian;

constexpr std::size_t kKeyBytes = 32;
constexpr std::size_t kCookieBytes = 96;
constexpr std::size_t kLongNonceBytes = 16;
constexpr std::size_t kShortNonceBytes = 8;
constexpr std::string_view kWelcome = "\x07WELCOME";
constexpr std::string_view kMessage = "\x07MESSAGE";
// Flags as they stand inside of a box.
constexpr int kMoreInside = 1;
constexpr int kCommandInside = 2;

const unsigned char* Unsigned(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

std::string Text(const CurveKey::Bytes& key) {
  return {key.begin(), key.end()};
}

CurveKey::Bytes KeyAt(std::string_view text) {
  CurveKey::Bytes key{};
  std::copy_n(text.begin(), std::min(text.size(), key.size()), key.begin());
  return key;
}

std::string Seeded(Dice& dice, std::size_t bytes) {
  std::string text(bytes, '\0');
  for (char& byte : text) byte = dice.Byte();
  return text;
}

std::optional<std::string> Opened(std::string_view box, const std::string& nonce,
                                  const CurveKey::Bytes& from, const CurveKey::Bytes& to) {
  if (box.size() < crypto_box_MACBYTES) return std::nullopt;
  std::string plain(box.size() - crypto_box_MACBYTES, '\0');
  if (crypto_box_open_easy(reinterpret_cast<unsigned char*>(plain.data()), Unsigned(box),
                           box.size(), Unsigned(nonce), from.data(), to.data()) != 0) {
    return std::nullopt;
  }
  return plain;
}

}  // namespace

CurveKey CurveKey::FromSeed(Dice& dice) {
  return FromSecret(Seeded(dice, kKeyBytes));
}

CurveKey CurveKey::FromSecret(std::string_view secret) {
  CurveKey key{KeyAt(secret), {}};
  if (crypto_scalarmult_base(key.shown.data(), key.secret.data()) != 0) {
    throw std::runtime_error("no key can be made");
  }
  return key;
}

CurveClient::CurveClient(const CurveKey& own, const CurveKey::Bytes& server, Dice& dice)
    : own_(own), connection_(CurveKey::FromSeed(dice)), server_(server) {}

std::string CurveClient::Box(std::string_view nonce, std::string_view plain,
                             const CurveKey::Bytes& to, const CurveKey::Bytes& from) const {
  std::string box(plain.size() + crypto_box_MACBYTES, '\0');
  if (crypto_box_easy(reinterpret_cast<unsigned char*>(box.data()), Unsigned(plain),
                      plain.size(), Unsigned(nonce), to.data(), from.data()) != 0) {
    return box;  // for a key that is none: nobody can open this either
  }
  return box;
}

std::string CurveClient::Hello() {
  const std::string nonce = BigEndian(next_nonce_++, kShortNonceBytes);
  return test::ZmtpCommand(
      "HELLO",
      std::string("\1\0", 2) + std::string(72, '\0') + Text(connection_.shown) + nonce +
          Box("CurveZMQHELLO---" + nonce, std::string(64, '\0'), server_, connection_.secret));
}

bool CurveClient::TakeWelcome(std::string_view frame) {
  if (frame.size() != kWelcomeBytes || frame.substr(2, kWelcome.size()) != kWelcome) {
    return false;
  }
  frame.remove_prefix(2 + kWelcome.size());
  const std::string nonce = "WELCOME-" + std::string(frame.substr(0, kLongNonceBytes));
  const auto opened = Opened(frame.substr(kLongNonceBytes), nonce, server_, connection_.secret);
  if (!opened || opened->size() != kKeyBytes + kCookieBytes) return false;
  server_connection_ = KeyAt(*opened);
  cookie_ = opened->substr(kKeyBytes);
  return true;
}

std::string CurveClient::Initiate(const std::string& metadata, const CurveKey& vouches,
                                  Dice& dice) {
  const std::string nonce = BigEndian(next_nonce_++, kShortNonceBytes);
  const std::string vouch_nonce = Seeded(dice, kLongNonceBytes);
  const std::string vouch =
      Box("VOUCH---" + vouch_nonce, Text(connection_.shown) + Text(server_), server_connection_,
          vouches.secret);
  std::string cookie = cookie_;
  cookie.resize(kCookieBytes);
  return test::ZmtpCommand(
      "INITIATE",
      cookie + nonce +
          Box("CurveZMQINITIATE" + nonce, Text(own_.shown) + vouch_nonce + vouch + metadata,
              server_connection_, connection_.secret));
}

std::string CurveClient::Message(const Said& said) {
  const std::string nonce = BigEndian(next_nonce_++, kShortNonceBytes);
  std::string plain(1,
                    static_cast<char>((said.flags & test::kZmtpMore ? kMoreInside : 0) |
                                      (said.flags & test::kZmtpCommand ? kCommandInside : 0)));
  return test::ZmtpFrame(std::string(kMessage) + nonce +
                         Box("CurveZMQMESSAGEC" + nonce, plain + said.body, server_connection_,
                             connection_.secret));
}

std::optional<std::string> CurveClient::Open(std::string_view body) const {
  if (!body.starts_with(kMessage)) return std::nullopt;
  body.remove_prefix(kMessage.size());
  const std::string nonce = "CurveZMQMESSAGES" + std::string(body.substr(0, kShortNonceBytes));
  const auto opened = Opened(body.substr(std::min(body.size(), kShortNonceBytes)), nonce,
                             server_connection_, connection_.secret);
  return opened && !opened->empty() ? std::optional(opened->substr(1)) : std::nullopt;
}

}  // namespace pipedup::fuzz
