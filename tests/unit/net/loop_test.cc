// The event loop: timers, watches, and callbacks that change both.
#include "net/loop.h"

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "os/io.h"
#include "os/waker.h"

namespace pipedup {
namespace {

using std::chrono::milliseconds;

TEST(EventLoop, TimersFireInTheOrderOfTheirTimes) {
  EventLoop loop;
  std::string fired;
  loop.After(milliseconds(20), [&] {
    fired += "c";
    loop.Stop();
  });
  loop.After(milliseconds(0), [&] { fired += "a"; });
  loop.After(milliseconds(10), [&] { fired += "b"; });
  loop.Run();
  EXPECT_EQ(fired, "abc");
}

TEST(EventLoop, ATimerIsNeverEarly) {
  EventLoop loop;
  const TimePoint start = loop.now();
  const TimePoint real = Clock::now();
  loop.After(milliseconds(30), [&] { loop.Stop(); });
  loop.Run();
  EXPECT_GE(loop.now() - start, milliseconds(30));
  EXPECT_GE(Clock::now() - real, milliseconds(30));
}

TEST(EventLoop, AnIntervalComesAgainUntilItIsCancelled) {
  EventLoop loop;
  int times = 0;
  EventLoop::TimerId id = 0;
  id = loop.Every(milliseconds(1), [&] {
    if (++times == 3) loop.Cancel(id);
  });
  loop.After(milliseconds(30), [&] { loop.Stop(); });
  loop.Run();
  EXPECT_EQ(times, 3);
}

TEST(EventLoop, ACancelledTimerDoesNotFire) {
  EventLoop loop;
  bool fired = false;
  const auto id = loop.After(milliseconds(1), [&] { fired = true; });
  loop.Cancel(id);
  loop.Cancel(id);
  loop.Cancel(0);
  loop.Cancel(12345);
  loop.After(milliseconds(5), [&] { loop.Stop(); });
  loop.Run();
  EXPECT_FALSE(fired);
}

TEST(EventLoop, ATimerMayCancelOneThatIsDueAtTheSameTime) {
  EventLoop loop;
  int fired = 0;
  EventLoop::TimerId second = 0;
  loop.After(milliseconds(1), [&] {
    ++fired;
    loop.Cancel(second);
  });
  second = loop.After(milliseconds(1), [&] { ++fired; });
  loop.After(milliseconds(5), [&] { loop.Stop(); });
  loop.Run();
  EXPECT_EQ(fired, 1);
}

TEST(EventLoop, ATimerMayMakeOthers) {
  EventLoop loop;
  int depth = 0;
  std::function<void()> next = [&] {
    if (++depth == 5) {
      loop.Stop();
    } else {
      loop.After(Duration(0), next);
    }
  };
  loop.After(Duration(0), next);
  loop.Run();
  EXPECT_EQ(depth, 5);
}

TEST(EventLoop, TellsThatADescriptorIsReadable) {
  EventLoop loop;
  auto [read_end, write_end] = MakePipe();
  loop.OnReadable(read_end.get(), [&] { loop.Stop(); });
  loop.After(Duration(0), [fd = write_end.get()] { (void)WriteAll(fd, AsBytes("x")); });
  loop.Run();
  EXPECT_TRUE(IsReadable(read_end.get()));
}

TEST(EventLoop, TellsThatTheOtherSideHasGone) {
  EventLoop loop;
  auto [read_end, write_end] = MakePipe();
  std::string told;
  loop.OnHangUp(write_end.get(), [&] {
    told = "reader";
    loop.Stop();
  });
  loop.After(milliseconds(1), [&end = read_end] { end.Reset(); });
  loop.Run();
  EXPECT_EQ(told, "reader");
}

TEST(EventLoop, EndOfInputIsReadable) {
  EventLoop loop;
  auto [read_end, write_end] = MakePipe();
  write_end.Reset();
  int calls = 0;
  loop.OnReadable(read_end.get(), [&] {
    ++calls;
    loop.Stop();
  });
  loop.Run();
  EXPECT_EQ(calls, 1);
}

TEST(EventLoop, AWatchThatIsOffCallsNobodyUntilItIsOnAgain) {
  EventLoop loop;
  auto [read_end, write_end] = MakePipe();
  ASSERT_EQ(WriteAll(write_end.get(), AsBytes("x")).status, IoStatus::kOk);
  bool on = false;
  bool early = false;
  const auto id = loop.OnReadable(read_end.get(), [&] {
    early = !on;
    loop.Stop();
  });
  loop.SetEnabled(id, false);
  loop.After(milliseconds(5), [&] {
    on = true;
    loop.SetEnabled(id, true);
  });
  loop.Run();
  EXPECT_FALSE(early);
}

TEST(EventLoop, ACallbackMayRemoveItsOwnWatch) {
  EventLoop loop;
  auto [read_end, write_end] = MakePipe();
  ASSERT_EQ(WriteAll(write_end.get(), AsBytes("x")).status, IoStatus::kOk);
  auto owned = std::make_shared<int>(0);
  EventLoop::WatchId id = 0;
  id = loop.OnReadable(read_end.get(), [&loop, &id, owned] {
    loop.Remove(id);
    ++*owned;  // what it holds is still there
  });
  loop.After(milliseconds(5), [&] { loop.Stop(); });
  loop.Run();
  EXPECT_EQ(*owned, 1);
}

TEST(EventLoop, ACallbackMayRemoveAnotherThatIsReady) {
  EventLoop loop;
  auto first = MakePipe();
  auto second = MakePipe();
  ASSERT_EQ(WriteAll(first.second.get(), AsBytes("x")).status, IoStatus::kOk);
  ASSERT_EQ(WriteAll(second.second.get(), AsBytes("x")).status, IoStatus::kOk);
  int calls = 0;
  std::vector<EventLoop::WatchId> ids(2);
  ids[0] = loop.OnReadable(first.first.get(), [&] {
    ++calls;
    loop.Remove(ids[0]);
    loop.Remove(ids[1]);
  });
  ids[1] = loop.OnReadable(second.first.get(), [&] {
    ++calls;
    loop.Remove(ids[0]);
    loop.Remove(ids[1]);
  });
  loop.After(milliseconds(5), [&] { loop.Stop(); });
  loop.Run();
  EXPECT_EQ(calls, 1);
}

TEST(EventLoop, ACallbackMayAddAWatch) {
  EventLoop loop;
  auto [read_end, write_end] = MakePipe();
  ASSERT_EQ(WriteAll(write_end.get(), AsBytes("x")).status, IoStatus::kOk);
  loop.After(Duration(0),
             [&, fd = read_end.get()] { loop.OnReadable(fd, [&] { loop.Stop(); }); });
  loop.Run();
}

TEST(EventLoop, StopsAtOnce) {
  EventLoop loop;
  int calls = 0;
  for (int i = 0; i < 2; ++i) {
    loop.After(Duration(0), [&] {
      ++calls;
      loop.Stop();
    });
  }
  loop.Run();
  EXPECT_EQ(calls, 1);
  loop.Run();
  EXPECT_EQ(calls, 2) << "it can run again";
}

TEST(EventLoop, WhatACallbackThrowsComesOut) {
  EventLoop loop;
  loop.After(Duration(0), [] { throw std::runtime_error("here"); });
  EXPECT_THROW(loop.Run(), std::runtime_error);
}

TEST(EventLoop, ItsClockLeavesOutTimeInWhichNothingRan) {
  // A callback that takes long is not told from a process that was stopped: both are our own
  // absence, and count for a quarter of a second at most.
  EventLoop loop;
  TimePoint before{};
  loop.After(Duration(0), [&] {
    before = loop.now();
    const TimePoint until = Clock::now() + milliseconds(600);
    while (Clock::now() < until) {
    }
    loop.After(Duration(0), [&] { loop.Stop(); });
  });
  loop.Run();
  EXPECT_GE(loop.now(), before);
  EXPECT_LE(loop.now() - before, milliseconds(300));
}

TEST(EventLoop, ItsClockNeverRunsBackwards) {
  EventLoop loop;
  TimePoint last = loop.now();
  int rounds = 0;
  loop.Every(milliseconds(1), [&] {
    EXPECT_GE(loop.now(), last);
    last = loop.now();
    if (++rounds == 20) loop.Stop();
  });
  loop.Run();
}

// ---- sockets ----

class LoopSockets : public testing::Test {
 protected:
  LoopSockets() {
    router_.Bind("tcp://127.0.0.1:*", false);
    dealer_.Connect(router_.bound_endpoint());
  }
  Context context_;
  EventLoop loop_;
  Socket router_ = Socket::Router(context_);
  Socket dealer_ = Socket::Dealer(context_, false);
  std::vector<Message> frames_;
};

TEST_F(LoopSockets, AMessageIsTold) {
  std::string text;
  loop_.OnMessage(router_, [&] {
    while (router_.Receive(&frames_, 2)) text += AsText(frames_[1].bytes());
    if (text.size() == 3) loop_.Stop();
  });
  loop_.After(milliseconds(5), [&] {
    for (const char* one : {"a", "b", "c"}) (void)dealer_.Send(AsBytes(one), Frame::kLast);
  });
  loop_.Run();
  EXPECT_EQ(text, "abc");
}

TEST_F(LoopSockets, ACallbackThatLeavesSomeIsCalledAgain) {
  constexpr int kMessages = 500;
  int received = 0;
  loop_.OnMessage(router_, [&] {
    if (router_.Receive(&frames_, 2) && ++received == kMessages) loop_.Stop();
  });
  for (int i = 0; i < kMessages; ++i) (void)dealer_.Send(AsBytes("x"), Frame::kLast);
  loop_.Run();
  EXPECT_EQ(received, kMessages);
}

TEST_F(LoopSockets, MessagesThatComeWhileAnotherSocketIsSentToAreTold) {
  // Every call on a socket may swallow the edge of its descriptor.
  constexpr int kRounds = 300;
  int answered = 0;
  loop_.OnMessage(router_, [&] {
    while (router_.Receive(&frames_, 2)) {
      const std::string route(AsText(frames_[0].bytes()));
      EXPECT_EQ(router_.Send(AsBytes(route), Frame::kMore), SendStatus::kSent);
      EXPECT_EQ(router_.Send(AsBytes("answer"), Frame::kLast), SendStatus::kSent);
    }
  });
  loop_.OnMessage(dealer_, [&] {
    while (dealer_.Receive(&frames_, 1)) {
      if (++answered == kRounds) {
        loop_.Stop();
        return;
      }
      (void)dealer_.Send(AsBytes("x"), Frame::kLast);
    }
  });
  (void)dealer_.Send(AsBytes("x"), Frame::kLast);
  loop_.Run();
  EXPECT_EQ(answered, kRounds);
}

TEST_F(LoopSockets, MessagesThatCameBeforeTheWatchAreTold) {
  auto sent = Socket::Dealer(context_, false);
  sent.Connect(router_.bound_endpoint());
  (void)sent.Send(AsBytes("x"), Frame::kLast);
  loop_.After(milliseconds(20), [&] {
    loop_.OnMessage(router_, [&] {
      if (router_.Receive(&frames_, 2)) loop_.Stop();
    });
  });
  loop_.Run();
}

TEST_F(LoopSockets, MessagesOfTooManyFramesComeEmpty) {
  (void)dealer_.Send(AsBytes("a"), Frame::kMore);
  (void)dealer_.Send(AsBytes("b"), Frame::kMore);
  (void)dealer_.Send(AsBytes("c"), Frame::kLast);
  (void)dealer_.Send(AsBytes("d"), Frame::kLast);
  std::vector<std::size_t> counts;
  loop_.OnMessage(router_, [&] {
    while (router_.Receive(&frames_, 2)) counts.push_back(frames_.size());
    if (counts.size() == 2) loop_.Stop();
  });
  loop_.Run();
  EXPECT_EQ(counts, (std::vector<std::size_t>{0, 2}));
}

TEST_F(LoopSockets, ARouteThatIsNotThereIsUnreachable) {
  EXPECT_EQ(router_.Send(AsBytes("nobody"), Frame::kMore), SendStatus::kUnreachable);
}

TEST_F(LoopSockets, SharedBytesAreLetGoOfWhenTheyAreSent) {
  auto waker = std::make_shared<Waker>();
  auto account = std::make_shared<Outstanding>(waker);
  auto owner = std::make_shared<std::string>(5'000, 'x');
  const std::weak_ptr<std::string> alive = owner;
  const ByteSpan bytes = AsBytes(*owner);
  EXPECT_EQ(dealer_.SendShared({std::move(owner), bytes}, account, Frame::kLast),
            SendStatus::kSent);
  account->WakeOnRelease();
  std::size_t received = 0;
  bool woken = account->bytes() == 0;  // it may have left already
  loop_.OnReadable(waker->fd(), [&] {
    waker->Clear();
    woken = true;
    if (received > 0) loop_.Stop();
  });
  loop_.OnMessage(router_, [&] {
    while (router_.Receive(&frames_, 2)) received = frames_[1].bytes().size();
    if (received > 0 && woken) loop_.Stop();
  });
  loop_.Run();
  EXPECT_EQ(received, 5'000U);
  EXPECT_EQ(account->bytes(), 0U);
  EXPECT_TRUE(alive.expired());
}

}  // namespace
}  // namespace pipedup
