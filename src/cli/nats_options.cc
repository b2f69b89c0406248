#include "pipedup/nats_options.h"

namespace pipedup {

std::vector<cli::Option> NatsOptions(NatsAccess* to) {
  return {
      {.name = "nats-creds",
       .value = "FILE",
       .summary = "For nats://: the credentials of a user, as nsc writes them.",
       .target = cli::KeyFile(&to->creds_file),
       .group = "NATS cluster"},
      {.name = "nats-nkey",
       .value = "FILE",
       .summary = "For nats://: a user's key, as nk -gen user -pubout writes it.",
       .target = cli::KeyFile(&to->nkey_file)},
      {.name = "nats-user",
       .value = "NAME",
       .summary = "For nats://: a user with a password; needs --nats-password-file.",
       .target = cli::Text(&to->user)},
      {.name = "nats-password-file",
       .value = "FILE",
       .summary = "The password of --nats-user: a line.",
       .target = cli::KeyFile(&to->password_file)},
      {.name = "nats-tls",
       .summary = "For nats://: talk to servers by TLS alone.",
       .details = "Those that the system trusts; see --nats-ca.",
       .target = cli::Flag(&to->tls)},
      {.name = "nats-ca",
       .value = "FILE",
       .summary = "For nats://: TLS, and only with servers that these authorities vouch for.",
       .target = cli::KeyFile(&to->ca_file)},
      {.name = "nats-cert",
       .value = "FILE",
       .summary = "For nats://: TLS, with this certificate; needs --nats-key.",
       .target = cli::KeyFile(&to->cert_file)},
      {.name = "nats-key",
       .value = "FILE",
       .summary = "The key of --nats-cert.",
       .target = cli::KeyFile(&to->key_file)},
  };
}

std::string CompleteNats(const NatsAccess& options, bool used) {
  const bool any = !options.user.empty() || !options.password_file.empty() ||
                   !options.creds_file.empty() || !options.nkey_file.empty() || options.tls ||
                   !options.ca_file.empty() || !options.cert_file.empty() ||
                   !options.key_file.empty();
  if (any && !used) return "--nats-...: nothing here is at nats://HOST,HOST/NAME";
  if (options.user.empty() != options.password_file.empty()) {
    return "--nats-user and --nats-password-file need each other";
  }
  if (options.cert_file.empty() != options.key_file.empty()) {
    return "--nats-cert and --nats-key need each other";
  }
  const int ways = (options.user.empty() ? 0 : 1) + (options.creds_file.empty() ? 0 : 1) +
                   (options.nkey_file.empty() ? 0 : 1);
  if (ways > 1) return "--nats-creds, --nats-nkey, --nats-user: one way to be known is enough";
  return "";
}

}  // namespace pipedup
