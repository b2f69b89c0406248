#include "support/zmtp.h"

namespace pipedup::test {

std::string BigEndian(std::uint64_t value, int bytes) {
  std::string text;
  while (bytes-- > 0) text += static_cast<char>(value >> (8 * bytes) & 0xff);
  return text;
}

std::string ZmtpGreeting(std::string_view mechanism) {
  std::string greeting("\xff\0\0\0\0\0\0\0\x01\x7f\x03\0", 12);
  greeting.append(mechanism);
  greeting.resize(kZmtpGreetingBytes, '\0');
  return greeting;
}

std::string ZmtpFrame(std::string_view body, unsigned flags) {
  const bool is_long = body.size() > 255;
  return BigEndian(is_long ? flags | kZmtpLong : flags, 1)
      .append(BigEndian(body.size(), is_long ? 8 : 1))
      .append(body);
}

std::string ZmtpCommand(std::string_view name, std::string_view rest) {
  return ZmtpFrame(BigEndian(name.size(), 1).append(name).append(rest), kZmtpCommand);
}

std::string ZmtpProperty(std::string_view name, std::string_view value) {
  return BigEndian(name.size(), 1)
      .append(name)
      .append(BigEndian(value.size(), 4))
      .append(value);
}

}  // namespace pipedup::test
