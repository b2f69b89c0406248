// Keys as libzmq makes and takes them.
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/keys.h"
#include "net/socket.h"

namespace pipedup {
namespace {

TEST(KeyPair, IsAnotherOneEachTime) {
  const KeyPair one = MakeKeyPair();
  const KeyPair two = MakeKeyPair();
  EXPECT_NE(one.public_key, two.public_key);
  EXPECT_NE(one.secret.text(), two.secret.text());
  EXPECT_TRUE(DecodeKey(one.secret.text()));
}

TEST(KeyPair, HasTheTextThatWeRead) {
  for (int i = 0; i < 100; ++i) {
    const KeyPair pair = MakeKeyPair();
    const auto key = DecodeKey(pair.public_key);
    ASSERT_TRUE(key) << pair.public_key;
    EXPECT_EQ(KeyText(AsBytes(key->text())), pair.public_key);
  }
  EXPECT_EQ(KeyText(AsBytes("short")), "");
}

TEST(Context, EncryptsWithKeysOnly) {
  EXPECT_FALSE(Context().listens_encrypted());
  KeyPair pair = MakeKeyPair();
  EXPECT_TRUE(Context({.secret = std::move(pair.secret)}).listens_encrypted());
  EXPECT_THROW(Context({.secret = Secret("no key")}), Error);
}

}  // namespace
}  // namespace pipedup
