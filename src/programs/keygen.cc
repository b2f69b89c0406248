// pipedup-keygen: a CURVE key pair, in two files.
#include "base/error.h"
#include "base/keys.h"
#include "base/text.h"
#include "os/io.h"
#include "os/process.h"
#include "pipedup/command_line.h"
#include "pipedup/version.h"
#include "programs/key_files.h"

namespace {

using namespace pipedup;

std::string CheckPrefix(std::string_view text) {
  if (!text.empty() && !text.ends_with('/')) return "";
  return cli::Quote(text) + " is not the beginning of a file's name";
}

cli::Program Table(std::string* prefix) {
  return {
      .name = "pipedup-keygen",
      .summary = "make a key pair, with which publishers and subscribers know each other",
      .usage = {"[options]"},
      .examples = {{"pipedup-keygen -o web1", "Make web1.secret and web1.pub."},
                   {"cat web1.pub >> allowed",
                    "Let that one in: pipedup-pub --allow-keys allowed --curve-secret FILE."}},
      .options = {{.name = "output",
                   .letter = 'o',
                   .value = "PREFIX",
                   .summary = "Beginning of the names of both files.",
                   .details = "PREFIX.secret is for this user only, PREFIX.pub for the other "
                              "side. The last part of PREFIX is the name of the key. Files "
                              "that are there are never overwritten.",
                   .target = cli::Text(prefix, CheckPrefix)}},
      .exit_statuses = {{"0", "both files were made"}, {"1", "failure"}, {"2", "wrong usage"}},
      .libraries = LibraryVersions()};
}

std::string Explain(const KeyFiles& files) {
  const std::string secret = Escape(files.secret);
  const std::string pub = Escape(files.pub);
  return secret + "  the secret key: stays on this machine, for this user only\n" + pub +
         "  the public key: is given to the other side\n\nHere:   pipedup-pub --curve-secret " +
         secret + " --allow-keys FILE ...\n   or   pipedup-sub --curve-secret " + secret +
         " --server-key PUBLISHER.pub ...\nThere:  a publisher lets this key in after: cat " +
         pub + " >> FILE\n   or   a subscriber knows this publisher by: --server-key " + pub +
         "\n";
}

}  // namespace

int main(int argc, char** argv) {
  std::string prefix = MakeKeyName(HostName());
  const cli::Parsed parsed = cli::Parse(Table(&prefix), argc, argv);
  return cli::RunMain(parsed, [&prefix](Reporter&) {
    const IoResult written = WriteAll(1, AsBytes(Explain(WriteKeyPair(prefix))));
    if (written.status == IoStatus::kClosed) return kExitBrokenPipe;
    if (written.status != IoStatus::kOk) throw Error("stdout: " + ErrnoText(written.error));
    return kExitOk;
  });
}
