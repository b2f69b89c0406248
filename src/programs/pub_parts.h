// What a publisher is made of, as its options say: of the program, and of the library.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "journal/directory.h"
#include "journal/journal.h"
#include "pipedup/reporter.h"
#include "programs/cluster_journal.h"
#include "programs/pub_options.h"
#include "publish/published_stream.h"
#include "publish/server.h"

namespace pipedup {

struct PubJournal {
  std::unique_ptr<ClusterJournal> cluster;    ///< that keeps the stream as well; none: nobody
  std::optional<JournalDirectory> directory;  ///< none: in private memory
  JournalOptions options;
};

/// Makes the directory, on disk or in memory, and the options of a journal in it: a new
/// session, unless the disk has one. `warn` is told, in words, of what is no error. Throws
/// Error.
PubJournal MakePubJournal(const PubOptions& options, Reporter& reporter);
PubJournal MakePubJournal(const PubOptions& options,
                          std::function<void(const std::string&)> warn);

/// `journal`, which begins where the cluster's ends, if there is one.
Journal& BeginIn(Journal& journal, const PubJournal& kept);

PublishedStreamOptions MakeStreamOptions(const PubOptions& options);

/// Reads the list of keys, if there is one. Throws Error.
ServerOptions MakeServerOptions(const PubOptions& options);

}  // namespace pipedup
