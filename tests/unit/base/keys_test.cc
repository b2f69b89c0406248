#include "base/keys.h"

#include <gtest/gtest.h>

#include "base/bytes.h"

namespace pipedup {
namespace {

// The examples of zmq_curve(7), with the bytes that they stand for.
constexpr const char* kServer = "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7";
constexpr const char* kClient = "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID";
constexpr const char* kSecret = "JTKVSB%%)wK0E.X)V>+}o?pNmC{O&4W4b!Ni{Lh6";

std::string Line(const char* key, const std::string& name) {
  return std::string(key) + " " + name + "\n";
}

std::string WhyNoSecret(const std::string& file) {
  std::string why;
  EXPECT_FALSE(ParseSecretKey(file, &why)) << file;
  EXPECT_EQ(why.find(kSecret), std::string::npos) << why;
  return why;
}

std::string WhyNoPublic(const std::string& file) {
  std::string why;
  EXPECT_FALSE(ParsePublicKey(file, &why)) << file;
  EXPECT_EQ(why.find(kSecret), std::string::npos) << why;
  return why;
}

std::string WhyNoList(const std::string& file) {
  std::string why;
  EXPECT_FALSE(AllowList::Parse(file, &why)) << file;
  return why;
}

AllowList ListOf(const std::string& file) {
  std::string why;
  std::optional<AllowList> list = AllowList::Parse(file, &why);
  EXPECT_TRUE(list) << why;
  return list.value_or(AllowList());
}

TEST(Keys, AreReadAsZ85) {
  const std::optional<Secret> key = DecodeKey(kServer);
  ASSERT_TRUE(key);
  const std::string_view bytes = key->text();
  ASSERT_EQ(bytes.size(), kKeyBytes);
  EXPECT_EQ(bytes.substr(0, 4), "\x54\xFC\xBA\x24");
  EXPECT_EQ(bytes.substr(28), "\x1B\xC2\xD6\x52");
  EXPECT_TRUE(DecodeKey(std::string(40, '0')));
}

TEST(Keys, AreFortyCharactersOfTheAlphabetAndNotTooLarge) {
  EXPECT_FALSE(DecodeKey(""));
  EXPECT_FALSE(DecodeKey(std::string(39, '0')));
  EXPECT_FALSE(DecodeKey(std::string(41, '0')));
  EXPECT_FALSE(DecodeKey(std::string(39, '0') + "_"));
  EXPECT_FALSE(DecodeKey(std::string(39, '0') + "\xff"));
  EXPECT_FALSE(DecodeKey(std::string(39, '0') + '\0'));
  EXPECT_TRUE(DecodeKey("%nSc0" + std::string(35, '0'))) << "2^32 - 1";
  EXPECT_FALSE(DecodeKey("%nSc1" + std::string(35, '0'))) << "2^32";
}

TEST(Keys, NeverBeginLikeAComment) {
  EXPECT_FALSE(DecodeKey("#" + std::string(39, '0')));
}

TEST(Keys, AreReadFromFilesAsAnyEditorWritesThem) {
  EXPECT_EQ(ListOf("\xEF\xBB\xBF" + Line(kServer, "web\r")).size(), 1U);
  EXPECT_EQ(ListOf("\xEF\xBB\xBF# first\r\n" + Line(kServer, "web")).size(), 1U);
  EXPECT_EQ(
      WhyNoList(Line(kServer, "web") + "\xEF\xBB\xBF" + Line(kClient, "b")).find("line 2"), 0U)
      << "not in the middle";
}

TEST(Keys, OfASecretFileStandAlone) {
  std::string why;
  const auto key =
      ParseSecretKey("# secret\n\n  " + std::string(kSecret) + "\t# mine\r\n", &why);
  ASSERT_TRUE(key) << why;
  EXPECT_EQ(key->text(), kSecret);
  EXPECT_EQ(WhyNoSecret(""), "there is no key in it");
  EXPECT_EQ(WhyNoSecret("# nothing\n"), "there is no key in it");
  EXPECT_NE(WhyNoSecret(Line(kServer, "web")).find("line 1: a key with a name is a public one"),
            std::string::npos);
  EXPECT_NE(WhyNoSecret(std::string(kSecret) + "\n" + kSecret).find("line 2: a second key"),
            std::string::npos);
  EXPECT_NE(WhyNoSecret("\n" + std::string(kSecret) + "x").find("line 2: not a key"),
            std::string::npos);
}

TEST(Keys, OfAPublicFileHaveTheirName) {
  std::string why;
  EXPECT_EQ(ParsePublicKey("# public\n" + Line(kServer, "web"), &why), kServer) << why;
  EXPECT_NE(WhyNoPublic(kSecret).find("line 1: a key without a name is a secret one"),
            std::string::npos);
  EXPECT_NE(WhyNoPublic(Line(kServer, "web") + Line(kClient, "db")).find("line 2"),
            std::string::npos);
}

TEST(Keys, OfAListAreFoundByTheirBytes) {
  const AllowList list =
      ListOf("# who\n\n" + Line(kServer, "web-1.example.org") + "\r\n  " +
             Line(kClient, "me@home # a comment") + "#" + kSecret + " off\n");
  EXPECT_EQ(list.size(), 2U);
  const std::string* const name = list.NameOf(DecodeKey(kClient)->text());
  ASSERT_NE(name, nullptr);
  EXPECT_EQ(*name, "me@home");
  EXPECT_EQ(list.NameOf(DecodeKey(kSecret)->text()), nullptr);
  EXPECT_EQ(list.NameOf(""), nullptr);
  EXPECT_EQ(list.NameOf(kClient), nullptr);
  EXPECT_TRUE(list.HasName("web-1.example.org"));
  EXPECT_FALSE(list.HasName("web"));
  EXPECT_EQ(ListOf("").size(), 0U) << "nobody";
}

TEST(Keys, OfAListAreRefusedWithTheirLine) {
  EXPECT_EQ(WhyNoList(Line(kServer, "a") + Line(kClient, "a")),
            "line 2: the name 'a' is in line 1 already");
  EXPECT_EQ(WhyNoList(Line(kServer, "a") + "\n" + Line(kServer, "b")),
            "line 3: the key is in line 1 already");
  EXPECT_NE(WhyNoList(Line(kServer, "a") + kSecret).find("line 2: a public key is followed by"),
            std::string::npos);
  EXPECT_NE(WhyNoList(Line(kServer, "two words")).find("line 1: there is something behind"),
            std::string::npos);
  EXPECT_NE(WhyNoList(Line(kServer, "a/b")).find("line 1: 'a/b' is not a name"),
            std::string::npos);
  EXPECT_NE(WhyNoList(Line(kServer, "\x1b[31m")).find("'\x1b[31m'"), std::string::npos);
  EXPECT_NE(WhyNoList(Line(kServer, std::string(65, 'n'))).find("is not a name"),
            std::string::npos);
  EXPECT_NE(WhyNoList("web " + std::string(kServer)).find("line 1: not a key"),
            std::string::npos);
}

TEST(Keys, OfTwoListsDifferByKeyAndName) {
  const AllowList before = ListOf(Line(kServer, "a") + Line(kClient, "b"));
  const AllowList renamed = ListOf(Line(kServer, "a") + Line(kClient, "c"));
  EXPECT_EQ(before.NamesNotIn(before), std::vector<std::string>{});
  EXPECT_EQ(before.NamesNotIn(renamed), std::vector<std::string>{"b"});
  EXPECT_EQ(renamed.NamesNotIn(before), std::vector<std::string>{"c"});
  EXPECT_EQ(before.NamesNotIn(AllowList()).size(), 2U);
}

TEST(Keys, HaveNamesThatCanBeRead) {
  EXPECT_EQ(MakeKeyName("web-1.example.org"), "web-1.example.org");
  EXPECT_EQ(MakeKeyName("my key\n#1"), "my-key--1");
  EXPECT_EQ(MakeKeyName(""), "key");
  EXPECT_EQ(MakeKeyName(std::string(100, 'n')).size(), kMaxKeyName);
}

TEST(Secret, IsZeroedWhenItIsLetGoOf) {
  std::string text(kSecret);
  Wipe(&text);
  EXPECT_EQ(text, std::string(40, '\0'));
  Secret one(std::string(kSecret) + "");
  const Secret two(std::move(one));
  EXPECT_TRUE(one.empty());
  EXPECT_EQ(two.text(), kSecret);
  one = Secret(std::string("other"));
  EXPECT_EQ(one.text(), "other");
}

}  // namespace
}  // namespace pipedup
