// What shells are told, as text; tests/package asks the shells themselves.
#include "cli/completion.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "example_program.h"

namespace pipedup::cli {
namespace {

std::string Generated(const std::string& what) {
  return Case().Run({"--generate", what}).out;
}

bool Has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

Option WithValue(const std::string& value) {
  return {.name = "x", .value = value, .summary = "X.", .target = Custom({})};
}

TEST(Completion, OffersWhatTheNameOfAValueSays) {
  EXPECT_EQ(OfferOf(WithValue("FILE")), Offer::kFile);
  EXPECT_EQ(OfferOf(WithValue("DIRECTORY")), Offer::kDirectory);
  EXPECT_EQ(OfferOf(WithValue("COMMAND")), Offer::kCommand);
  EXPECT_EQ(OfferOf(WithValue("ENDPOINT")), Offer::kHost);
  EXPECT_EQ(OfferOf(WithValue("GROUP")), Offer::kGroup);
  EXPECT_EQ(OfferOf(WithValue("SIZE")), Offer::kNothing);
  EXPECT_EQ(OfferOf(WithValue("never|DURATION|always")), Offer::kWords);
  bool flag = false;
  EXPECT_EQ(OfferOf({.name = "x", .summary = "X.", .target = Flag(&flag)}), Offer::kNothing);
}

TEST(Completion, HasEveryOptionForEachShell) {
  ExampleValues values;
  const std::string bash = Generated("bash");
  const std::string zsh = Generated("zsh");
  const std::string fish = Generated("fish");
  for (const Option& option : MakeProgram(&values).options) {
    if (option.positional) continue;
    EXPECT_TRUE(Has(bash, "--" + option.name)) << option.name;
    EXPECT_TRUE(Has(zsh, "--" + option.name)) << option.name;
    EXPECT_TRUE(Has(fish, " -l " + option.name + " ")) << option.name;
  }
  EXPECT_TRUE(Has(bash, "--print-config"));
}

TEST(Completion, OffersTheWordsOfAChoice) {
  EXPECT_TRUE(Has(Generated("bash"), "    --slow)\n      COMPREPLY=($(compgen -W 'drop wait'"));
  EXPECT_TRUE(Has(Generated("zsh"), "'(--slow)'--slow='[What to do]:drop|wait:(drop wait)'"));
  EXPECT_TRUE(Has(Generated("fish"), " -l slow -x -a 'drop wait' -d 'What to do'"));
}

TEST(Completion, DoesNotOfferOptionsThatConflict) {
  EXPECT_TRUE(Has(Generated("zsh"), "'(-n --last --from)'{-n+,--last=}"));
}

TEST(Completion, QuotesWhatShellsWouldTakeForTheirOwn) {
  bool flag = false;
  const Option option{.name = "odd", .summary = "It's [odd].", .target = Flag(&flag)};
  ExampleValues values;
  const Program program = MakeProgram(&values);
  EXPECT_TRUE(Has(ZshCompletion(program, {&option, 1}), R"('[It'\''s \[odd\]]')"));
  EXPECT_TRUE(Has(FishCompletion(program, {&option, 1}), R"(-d 'It\'s [odd]')"));
}

TEST(Completion, IsNoOptionThatAnythingLists) {
  for (const char* word : {"--help", "-h", "--print-config"}) {
    EXPECT_FALSE(Has(Case().Run({word}).out, "generate")) << word;
  }
  EXPECT_FALSE(Has(Generated("bash"), "generate"));
}

TEST(Completion, OfAnotherShellIsRefused) {
  const Decision decision = Case().Run({"--generate", "tcsh"});
  EXPECT_EQ(decision.exit_status, kExitUsage);
  EXPECT_EQ(decision.wrong, "--generate: 'tcsh' is none of man, bash, zsh, fish");
  EXPECT_TRUE(decision.out.empty());
}

}  // namespace
}  // namespace pipedup::cli
