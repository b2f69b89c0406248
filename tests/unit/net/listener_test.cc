// Who may bind what, and what is left behind.
#include "net/listener.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "base/error.h"
#include "os/fd.h"
#include "os/process.h"

namespace pipedup {
namespace {

class ListenerTest : public testing::Test {
 protected:
  ListenerTest() {
    directory_ = RuntimeDirectories().front() + "/pipedup-test-XXXXXX";
    EXPECT_NE(mkdtemp(directory_.data()), nullptr);
    ipc_.kind = Endpoint::Kind::kIpc;
    ipc_.path = directory_ + "/data";
    tcp_.host = "127.0.0.1";
    tcp_.port = 0;
  }
  ~ListenerTest() override { std::filesystem::remove_all(directory_); }

  Context context_;
  std::string directory_;
  Endpoint ipc_;
  Endpoint tcp_;
};

TEST_F(ListenerTest, AnyPortIsAPairOfFreePorts) {
  const Listener one(context_, {tcp_}, 100);
  const Listener two(context_, {tcp_}, 100);
  EXPECT_NE(one.endpoints()[0].port, 0);
  EXPECT_NE(one.endpoints()[0].port, two.endpoints()[0].port);
  EXPECT_NE(one.endpoints()[0].port, two.endpoints()[0].port + 1);
}

TEST_F(ListenerTest, APortThatIsTakenIsAnError) {
  const Listener one(context_, {tcp_}, 100);
  try {
    const Listener two(context_, one.endpoints(), 100);
    FAIL() << "it was bound twice";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find(one.endpoints()[0].data()), std::string::npos)
        << error.what();
  }
}

TEST_F(ListenerTest, AnIpcPathThatIsTakenIsAnErrorAndIsNotTakenOver) {
  const Listener one(context_, {ipc_}, 100);
  EXPECT_THROW(Listener(context_, {ipc_}, 100), Error);
  EXPECT_TRUE(std::filesystem::exists(ipc_.path));
  EXPECT_TRUE(std::filesystem::exists(ipc_.path + ".ctl"));
}

TEST_F(ListenerTest, AnIpcPathIsOpenToItsUserOnly) {
  const Listener listener(context_, {ipc_}, 100);
  for (const char* suffix : {"", ".ctl", ".lock"}) {
    struct stat info {};
    ASSERT_EQ(::stat((ipc_.path + suffix).c_str(), &info), 0) << suffix;
    EXPECT_EQ(info.st_mode & 077, 0U) << suffix;
  }
}

TEST_F(ListenerTest, LeavesNoFilesBehind) {
  { const Listener listener(context_, {ipc_}, 100); }
  EXPECT_TRUE(std::filesystem::is_empty(directory_));
}

TEST_F(ListenerTest, AFileInThePlaceOfAnIpcSocketIsLeftAlone) {
  for (const std::string& path : {ipc_.path, ipc_.path + ".ctl"}) {
    { std::ofstream(path) << "precious"; }
    EXPECT_THROW(Listener(context_, {ipc_}, 100), Error);
    EXPECT_EQ(std::filesystem::file_size(path), 8U);
    std::filesystem::remove(path);
    std::filesystem::create_symlink(directory_ + "/elsewhere", path);
    EXPECT_THROW(Listener(context_, {ipc_}, 100), Error);
    EXPECT_TRUE(std::filesystem::is_symlink(path));
    std::filesystem::remove(path);
  }
  EXPECT_NO_THROW(Listener(context_, {ipc_}, 100));
}

TEST_F(ListenerTest, AnIpcPathOfAPublisherThatDiedIsTakenOver) {
  const UniqueFd left(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  ipc_.path.copy(address.sun_path, sizeof address.sun_path - 1);
  ASSERT_EQ(::bind(left.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  { std::ofstream(ipc_.path + ".lock") << ""; }
  EXPECT_NO_THROW(Listener(context_, {ipc_}, 100));
}

TEST_F(ListenerTest, BindsSeveralEndpoints) {
  const Listener listener(context_, {ipc_, tcp_}, 100);
  EXPECT_EQ(listener.endpoints().size(), 2U);
  EXPECT_EQ(listener.endpoints()[0], ipc_);
}

TEST_F(ListenerTest, SocketsAreMadeAnewAtTheSameAddresses) {
  Listener listener(context_, {ipc_, tcp_}, 100);
  const auto before = listener.endpoints();
  for (int attempt = 0; !listener.RemakeData(50); ++attempt) ASSERT_LT(attempt, 10'000);
  for (int attempt = 0; !listener.RemakeControl(); ++attempt) ASSERT_LT(attempt, 10'000);
  EXPECT_EQ(listener.endpoints(), before);
  EXPECT_TRUE(std::filesystem::exists(ipc_.path));
  EXPECT_THROW(Listener(context_, {ipc_}, 100), Error);
}

}  // namespace
}  // namespace pipedup
