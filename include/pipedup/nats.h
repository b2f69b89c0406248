// How a NATS cluster is reached, for endpoints and journals of the form nats://HOST,HOST/NAME.
#pragma once

#include <string>

namespace pipedup {

/// Files are read whenever a connection is made. All may be empty: then nothing is shown, and
/// TLS is used only if the server insists on it.
struct NatsAccess {
  std::string user;
  std::string password_file;  ///< a line
  std::string creds_file;     ///< as nsc writes it
  std::string nkey_file;      ///< as nk -gen user -pubout writes it: a seed and its public key
  bool tls = false;           ///< also if ca_file or cert_file is there
  std::string ca_file;        ///< whose servers are trusted; empty: those of the system
  std::string cert_file;      ///< of this client, PEM, and key_file with its key
  std::string key_file;
};

}  // namespace pipedup
