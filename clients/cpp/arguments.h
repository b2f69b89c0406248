// The words of a command line: "--name value", "--flag", and one that is neither.
#pragma once

#include <chrono>
#include <cstdint>
#include <initializer_list>
#include <iostream>
#include <map>
#include <stdexcept>
#include <string>
#include <string_view>

class Arguments {
 public:
  /// `flags` are followed by no value, `names` by one. Throws std::runtime_error.
  Arguments(int argc, char** argv, std::initializer_list<std::string_view> flags,
            std::initializer_list<std::string_view> names) {
    for (int i = 1; i < argc; ++i) {
      const std::string word = argv[i];
      if (IsIn(word, flags)) {
        values_[word] = "yes";
      } else if (IsIn(word, names)) {
        if (++i == argc) throw std::runtime_error(word + ": a value is missing");
        values_[word] = argv[i];
      } else if (word.starts_with("-")) {
        throw std::runtime_error("unknown option " + word);
      } else {
        values_[""] = word;
      }
    }
  }

  bool Has(const std::string& name) const { return values_.contains(name); }
  std::string Text(const std::string& name, const std::string& otherwise = "") const {
    const auto found = values_.find(name);
    return found == values_.end() ? otherwise : found->second;
  }
  std::uint64_t Number(const std::string& name, std::uint64_t otherwise) const {
    return Has(name) ? std::stoull(Text(name)) : otherwise;
  }
  /// Given in seconds.
  std::chrono::nanoseconds Seconds(const std::string& name, double otherwise) const {
    const double seconds = Has(name) ? std::stod(Text(name)) : otherwise;
    return std::chrono::duration_cast<std::chrono::nanoseconds>(
        std::chrono::duration<double>(seconds));
  }

 private:
  static bool IsIn(std::string_view word, std::initializer_list<std::string_view> words) {
    for (const std::string_view one : words) {
      if (one == word) return true;
    }
    return false;
  }
  std::map<std::string, std::string> values_;
};
