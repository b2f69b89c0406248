#include "cli/manual.h"

#include <gtest/gtest.h>

#include "example_program.h"

namespace pipedup::cli {
namespace {

std::string Page() {
  return Case().Run({"--generate", "man"}).out;
}

bool Contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST(Manual, HasAnEntryForEachOption) {
  ExampleValues values;
  const std::string page = Page();
  for (const Option& option : MakeProgram(&values).options) {
    if (option.positional) continue;
    EXPECT_TRUE(Contains(page, "*--" + option.name + "*")) << option.name;
  }
  EXPECT_TRUE(Contains(page, "\n\n_ENDPOINT_\n\tWhere to go. [default: here]\n"));
  EXPECT_TRUE(Contains(page, "\n\n*-s*, *--stream* _NAME_\n\tName of the stream. A long"));
  EXPECT_TRUE(Contains(page, "\n\n*--slow* *drop|wait*\n\tWhat to do. [default: drop]\n"));
}

TEST(Manual, HasDefaultsGroupsAndExitStatuses) {
  const std::string page = Page();
  EXPECT_TRUE(page.starts_with("# OPTIONS\n\n## First\n\n"));
  EXPECT_TRUE(Contains(page, "Keep this much. [default: 64MiB] [1MiB to 1TiB]\n"));
  EXPECT_TRUE(Contains(page, "\n\n## Second\n\n"));
  EXPECT_TRUE(page.ends_with("\n# EXIT STATUS\n\n*0*\n\tall is well\n"));
}

TEST(Manual, ShowsMarkupAsItIs) {
  EXPECT_EQ(EscapeForManual("a*b_c\\d"), "a\\*b\\_c\\\\d");
  EXPECT_EQ(EscapeForManual("--timeout has passed"), "\\--timeout has passed");
  EXPECT_EQ(EscapeForManual("1-2 ... x"), "1-2 ... x");
}

}  // namespace
}  // namespace pipedup::cli
