// Keys as text: one key, and files of them. Pure.
//
// A key is 32 bytes, written as 40 characters of Z85 (RFC 32 of ZeroMQ). A file of keys has
// lines:
//
//     # a comment; blank lines are passed over
//     KEY NAME  # of a public key, and whose it is
//     KEY       # of a secret key: it has no name
//
// so that one kind is never taken for the other. No key begins with '#': that digit would be
// too large there.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/secret.h"

namespace pipedup {

inline constexpr std::size_t kKeyBytes = 32;
inline constexpr std::size_t kKeyCharacters = 40;
inline constexpr std::size_t kMaxKeyName = 64;

/// The 32 bytes of a key; nothing if `text` is none.
std::optional<Secret> DecodeKey(std::string_view text);

/// `text` as the name of a key: letters, digits and "._@-"; anything else becomes '-'. At most
/// 64 characters, "key" if there are none.
std::string MakeKeyName(std::string_view text);

/// The one key of a file with a secret key, or nothing and `*why`: "line 2: ...". That has no
/// key in it, but may have a name that is none, as it stands in the file: to be escaped.
std::optional<Secret> ParseSecretKey(std::string_view file, std::string* why);

/// The one key of a file with a public key, as text; likewise.
std::optional<std::string> ParsePublicKey(std::string_view file, std::string* why);

/// Public keys that are let in, and their names. No key and no name is in it twice.
class AllowList {
 public:
  /// Reads such a file; nothing, with `*why` ("line 7: ..."), if any line of it is wrong.
  static std::optional<AllowList> Parse(std::string_view file, std::string* why);

  /// The name of a key of 32 bytes; nullptr if it is not in the list.
  const std::string* NameOf(std::string_view key) const;
  bool HasName(std::string_view name) const;
  std::size_t size() const { return names_.size(); }

  /// Names in this list that do not have the same key in `other`.
  std::vector<std::string> NamesNotIn(const AllowList& other) const;

 private:
  std::map<std::string, std::string, std::less<>> names_;  // by key
};

}  // namespace pipedup
