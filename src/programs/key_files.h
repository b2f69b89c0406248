// Keys, from the files that options name or from the environment.
#pragma once

#include <optional>
#include <string>

#include "base/keys.h"
#include "net/socket.h"

namespace pipedup {

/// A publisher's keys: its secret one, from `secret_file` or, if that is "", from the
/// environment; none if it is in neither. Throws Error. Like the next one, it takes the
/// variables that hold keys out of the environment, for no child to see: to be called before
/// there is one.
CurveKeys LoadPublisherKeys(const std::string& secret_file);

/// A subscriber's: its secret one and the publisher's public one, likewise; both or none.
CurveKeys LoadSubscriberKeys(const std::string& server_file, const std::string& secret_file);

/// A relay's, which may have keys on either side: its secret one, and the publisher's public
/// one.
CurveKeys LoadRelayKeys(const std::string& server_file, const std::string& secret_file,
                        bool listens_encrypted);

/// The same two from files alone: the environment is left alone. For programs of others.
CurveKeys ReadPublisherKeys(const std::string& secret_file);
CurveKeys ReadSubscriberKeys(const std::string& server_file, const std::string& secret_file);

/// Takes those variables away without a look at them.
void ForgetKeyVariables();

/// Nothing, with `*why` ("FILE: line 3: ..."), if the file cannot be read or anything in it is
/// wrong.
std::optional<AllowList> ReadAllowList(const std::string& file, std::string* why);

/// Makes a key pair in the two files PREFIX.secret and PREFIX.pub; the public one's name is the
/// last part of `prefix`. Throws Error, and leaves neither, if one is there already.
struct KeyFiles {
  std::string secret;
  std::string pub;
};
KeyFiles WriteKeyPair(const std::string& prefix);

}  // namespace pipedup
