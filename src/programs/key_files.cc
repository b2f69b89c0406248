#include "programs/key_files.h"

#include <utility>

#include "base/error.h"
#include "base/text.h"
#include "os/file.h"
#include "os/io.h"
#include "os/process.h"
#include "pipedup/command_line.h"

namespace pipedup {
namespace {

constexpr std::size_t kMaxWhy = 1000;  // a path, and what is wrong there

[[noreturn]] void Fail(const std::string& option, const std::string& why) {
  throw Error(option + ": " + Escape(why, kMaxWhy));
}

Secret CheckVariable(Secret text, const char* variable) {
  if (text.empty() || DecodeKey(text.text())) return text;
  throw Error(std::string(variable) + ": not a key", kExitUsage);
}

/// `from_variable` counts if there is no file.
Secret LoadSecretKey(const std::string& file, Secret from_variable) {
  if (file.empty()) return CheckVariable(std::move(from_variable), cli::kSecretKeyVariable);
  std::string why;
  const std::optional<Secret> text = ReadSecretFile(file, &why);
  if (!text) Fail("--curve-secret", why);
  std::optional<Secret> key = ParseSecretKey(text->text(), &why);
  if (!key) Fail("--curve-secret", file + ": " + why);
  return std::move(*key);
}

std::string LoadServerKey(const std::string& file, Secret from_variable) {
  if (file.empty()) {
    return std::string(CheckVariable(std::move(from_variable), cli::kServerKeyVariable).text());
  }
  std::string why;
  std::optional<std::string> text = ReadRegularFile(file, &why);
  if (!text) Fail("--server-key", why);
  const Secret wiped(std::move(*text));  // it may be a secret one, by mistake
  const std::optional<std::string> key = ParsePublicKey(wiped.text(), &why);
  if (!key) Fail("--server-key", file + ": " + why);
  return *key;
}

void WriteNew(const std::string& path, const Secret& text, Readers readers) {
  int error = 0;
  const UniqueFd fd = CreateFile(path, &error, readers);
  if (fd) error = WriteAt(fd.get(), AsBytes(text.text()), 0).error;
  if (!error) return;
  if (fd) RemoveFile(path);
  throw Error(
      "'" + Escape(path) + "': " + ErrnoText(error) +
      (error == EEXIST ? "; no key is ever overwritten (--output PREFIX names others)" : ""));
}

CurveKeys MakeSubscriberKeys(Secret secret, std::string server) {
  if (secret.empty() != server.empty()) {
    throw Error("keys: the secret key and the publisher's public key need each other",
                kExitUsage);
  }
  return {std::move(secret), std::move(server), true};
}

}  // namespace

CurveKeys ReadPublisherKeys(const std::string& secret_file) {
  return {LoadSecretKey(secret_file, Secret()), ""};
}

CurveKeys ReadSubscriberKeys(const std::string& server_file, const std::string& secret_file) {
  return MakeSubscriberKeys(LoadSecretKey(secret_file, Secret()),
                            LoadServerKey(server_file, Secret()));
}

CurveKeys LoadPublisherKeys(const std::string& secret_file) {
  Secret secret = TakeVariable(cli::kSecretKeyVariable);
  (void)TakeVariable(cli::kServerKeyVariable);  // of a subscriber
  return {LoadSecretKey(secret_file, std::move(secret)), ""};
}

CurveKeys LoadSubscriberKeys(const std::string& server_file, const std::string& secret_file) {
  Secret secret = TakeVariable(cli::kSecretKeyVariable);
  Secret server = TakeVariable(cli::kServerKeyVariable);
  return MakeSubscriberKeys(LoadSecretKey(secret_file, std::move(secret)),
                            LoadServerKey(server_file, std::move(server)));
}

CurveKeys LoadRelayKeys(const std::string& server_file, const std::string& secret_file,
                        bool listens_encrypted) {
  Secret secret = TakeVariable(cli::kSecretKeyVariable);
  Secret server = TakeVariable(cli::kServerKeyVariable);
  CurveKeys keys = {LoadSecretKey(secret_file, std::move(secret)),
                    LoadServerKey(server_file, std::move(server)), !listens_encrypted};
  if (keys.secret.empty() && (listens_encrypted || !keys.server.empty())) {
    throw Error("keys: the secret key of this relay is needed", kExitUsage);
  }
  return keys;
}

void ForgetKeyVariables() {
  (void)TakeVariable(cli::kSecretKeyVariable);
  (void)TakeVariable(cli::kServerKeyVariable);
}

std::optional<AllowList> ReadAllowList(const std::string& file, std::string* why) {
  std::optional<std::string> text = ReadRegularFile(file, why);
  if (!text) return std::nullopt;
  const Secret wiped(std::move(*text));  // a secret key may be in it, by mistake
  std::optional<AllowList> list = AllowList::Parse(wiped.text(), why);
  if (!list) *why = file + ": " + *why;
  return list;
}

KeyFiles WriteKeyPair(const std::string& prefix) {
  const std::string name = MakeKeyName(prefix.substr(prefix.rfind('/') + 1));
  const KeyFiles files = {prefix + ".secret", prefix + ".pub"};
  const KeyPair pair = MakeKeyPair();
  std::string text = "# The secret key of " + name + ": for this machine only.\n";
  text.reserve(text.size() + kKeyCharacters + 1);  // it never moves, and leaves nothing behind
  text += pair.secret.text();
  text += '\n';
  WriteNew(files.secret, Secret(std::move(text)), Readers::kNobody);
  try {
    WriteNew(
        files.pub,
        Secret("# The public key of " + name + ".\n" + pair.public_key + " " + name + "\n"),
        Readers::kEveryone);
  } catch (const Error&) {
    RemoveFile(files.secret);
    throw;
  }
  return files;
}

}  // namespace pipedup
