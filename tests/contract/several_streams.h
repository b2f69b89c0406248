// Several streams on one pair of sockets.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "by_hand.h"
#include "running_publisher.h"

namespace pipedup {

class NoEvents final : public PublishedStreamEvents, public ServerEvents {
 public:
  void OnJoined(const Member&) override {}
  void OnLeft(const Member&, Leaving) override {}
  void OnReady(std::size_t) override {}
  void OnHold(const Member*) override {}
  void OnLetGo(const Member&) override {}
  void OnFinished(const std::vector<std::string>&) override {}
  void OnNotAdmitted(const std::string&, const std::string&) override {}
  void OnRemade(std::uint64_t) override {}
};

class SeveralStreamsTest : public testing::Test {
 protected:
  SeveralStreamsTest() {
    thread_.Do([this] {
      ServerOptions options;
      options.endpoints.emplace_back();
      options.endpoints.back().host = "127.0.0.1";
      options.endpoints.back().port = 0;
      options.streams_may_come = true;
      ServerEvents& events = events_;
      server_.emplace(context_, thread_.loop(), std::move(options), events);
      endpoint_ = server_->endpoints().front();
    });
  }
  ~SeveralStreamsTest() override {
    thread_.Do([this] {
      streams_.clear();
      server_.reset();
    });
  }
  /// Its text is what is published of it.
  void Add(const std::string& name, SessionId session, const std::string& text) {
    thread_.Do([&] {
      JournalOptions options;
      options.session = session;
      options.wall_clock = WallNow;
      options.warn = [](const std::string& warning) { ADD_FAILURE() << warning; };
      Stream stream;
      stream.journal = std::make_unique<Journal>(options);
      PublishedStreamOptions publish;
      publish.stream = name;
      PublishedStreamEvents& events = events_;
      stream.publisher = std::make_unique<PublishedStream>(*server_, *stream.journal,
                                                           std::move(publish), events);
      stream.journal->Append(AsBytes(text));
      stream.journal->PublishAll();
      streams_.push_back(std::move(stream));
    });
  }
  control::Welcome JoinStream(ControlByHand& peer, const std::string& name) {
    control::Hello hello = peer.Hello();
    hello.stream = name;
    peer.Send(hello);
    return peer.Expect<control::Welcome>();
  }
  static std::string Read(ControlByHand& peer, SessionId session) {
    control::Read read = ControlByHand::ReadAt(0, 1000);
    read.session = session;
    return peer.Read(read).bytes;
  }

  struct Stream {
    std::unique_ptr<Journal> journal;
    std::unique_ptr<PublishedStream> publisher;
  };
  Context context_;
  TestLoop thread_;
  NoEvents events_;
  std::optional<Server> server_;
  std::vector<Stream> streams_;
  Endpoint endpoint_;
};

}  // namespace pipedup
