// What the programs under test can do, so that the harness runs with those that cannot yet.
#pragma once

#include <string>

namespace pipedup::test {

struct Features {
  bool journal = false;  ///< pipedup-pub --journal DIR, --fsync
  bool cursor = false;   ///< pipedup-sub --cursor FILE
  bool file_faults =
      false;  ///< the library of faultfs/ was built, and works with these programs
};

/// Asks the programs' --help, once.
const Features& GetFeatures();

/// What is left out for want of a feature, in one line; "" if nothing is.
std::string LeftOut(const Features& features);

/// The library that LD_PRELOAD is to name; "" if there is none here.
std::string FaultfsLibrary();
/// The consumer that keeps what it reads: see keep.cc.
std::string KeepBinary();

}  // namespace pipedup::test
