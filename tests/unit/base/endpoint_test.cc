#include "base/endpoint.h"

#include <gtest/gtest.h>

namespace pipedup {
namespace {

/// data and control, or why not.
std::string Read(std::string_view text) {
  std::string why;
  const auto endpoint = ParseEndpoint(text, &why);
  EXPECT_EQ(endpoint.has_value(), why.empty()) << text;
  return endpoint ? endpoint->data() + " " + endpoint->control() : "no: " + why;
}

bool IsRefused(std::string_view text) {
  return Read(text).starts_with("no: ");
}

TEST(Endpoint, ReadsAllForms) {
  EXPECT_EQ(Read("host"), "tcp://host:5590 tcp://host:5591");
  EXPECT_EQ(Read("host:7000"), "tcp://host:7000 tcp://host:7001");
  EXPECT_EQ(Read("10.0.0.7"), "tcp://10.0.0.7:5590 tcp://10.0.0.7:5591");
  EXPECT_EQ(Read(":7000"), "tcp://127.0.0.1:7000 tcp://127.0.0.1:7001");
  EXPECT_EQ(Read("*:7000"), "tcp://*:7000 tcp://*:7001");
  EXPECT_EQ(Read("*"), "tcp://*:5590 tcp://*:5591");
  EXPECT_EQ(Read("[::1]:7000"), "tcp://[::1]:7000 tcp://[::1]:7001");
  EXPECT_EQ(Read("[::1]"), "tcp://[::1]:5590 tcp://[::1]:5591");
  EXPECT_EQ(Read("tcp://a.example:1"), "tcp://a.example:1 tcp://a.example:2");
  EXPECT_EQ(Read("tcp://[fe80::1]:9"), "tcp://[fe80::1]:9 tcp://[fe80::1]:10");
  EXPECT_EQ(Read("ipc:///run/x"), "ipc:///run/x ipc:///run/x.ctl");
  EXPECT_EQ(Read("with-dash_and.dot"),
            "tcp://with-dash_and.dot:5590 tcp://with-dash_and.dot:5591");
}

TEST(Endpoint, TheControlPortMustExist) {
  EXPECT_EQ(Read("host:65534"), "tcp://host:65534 tcp://host:65535");
  EXPECT_NE(Read("host:65535").find("control"), std::string::npos) << "it says why";
  EXPECT_TRUE(IsRefused("[::1]:65535"));
  EXPECT_TRUE(IsRefused("host:65536"));
  EXPECT_TRUE(IsRefused("host:99999999999"));
}

TEST(Endpoint, PortZeroAsksForAnyPair) {
  std::string why;
  EXPECT_EQ(ParseEndpoint("127.0.0.1:0", &why)->port, 0);
}

TEST(Endpoint, RefusesWhatIsNone) {
  for (const char* text :
       {"",        "tcp://",      "host:",      "host:x",      "host:-1",        "host:+1",
        "host: 1", "ho st",       "::1",        "::1:80",      "[::1",           "[::1]80",
        "[::1]x",  "[::1]:",      "[]",         "[]:80",       "[host]:80",      "a/b",
        "**",      "*a",          "udp://host", "http://host", "ipc://relative", "ipc://",
        "ipc:///", "ipc:///dir/", "inproc://x", "host:1:2",    "h\nost",         "[::1 ]"}) {
    EXPECT_TRUE(IsRefused(text)) << "'" << text << "': " << Read(text);
  }
}

TEST(Endpoint, AnIpcPathMustFitIntoASocketAddress) {
  EXPECT_FALSE(IsRefused("ipc:///" + std::string(99, 'x')));
  EXPECT_TRUE(IsRefused("ipc:///" + std::string(100, 'x')));
  EXPECT_TRUE(IsRefused("ipc:///" + std::string(10'000, 'x')));
  EXPECT_TRUE(IsRefused(std::string_view("ipc:///a\0b", 10)));
}

TEST(Endpoint, KnowsWhatIsReachableFromThisMachineOnly) {
  std::string why;
  for (const char* text :
       {"127.0.0.1", "127.1.2.3:80", ":80", "localhost", "[::1]", "ipc:///x"}) {
    EXPECT_TRUE(ParseEndpoint(text, &why)->IsLocal()) << text;
  }
  for (const char* text : {"*", "0.0.0.0", "10.0.0.1", "host", "[::]", "127.example.org",
                           "[::ffff:10.0.0.1]", "localhost.example.org"}) {
    EXPECT_FALSE(ParseEndpoint(text, &why)->IsLocal()) << text;
  }
}

TEST(Endpoint, IsReadAgainFromWhatItPrints) {
  for (const char* text : {"host", ":1", "*:2", "[::1]:3", "ipc:///x/y"}) {
    std::string why;
    const auto endpoint = ParseEndpoint(text, &why);
    EXPECT_EQ(ParseEndpoint(endpoint->data(), &why), endpoint) << text;
  }
}

TEST(Endpoint, ANameIsNoAddress) {
  std::string why;
  EXPECT_TRUE(ParseEndpoint("localhost", &why)->IsName());
  EXPECT_TRUE(ParseEndpoint("web1.example.org:7000", &why)->IsName());
  EXPECT_FALSE(ParseEndpoint("10.0.0.7:7000", &why)->IsName());
  EXPECT_FALSE(ParseEndpoint("[::1]:7000", &why)->IsName());
  EXPECT_FALSE(ParseEndpoint("ipc:///run/x", &why)->IsName());
  EXPECT_TRUE(ParseEndpoint("[::1]:7000", &why)->IsIpv6());
}

TEST(Source, ALogOfAClusterHasServersAndAName) {
  std::string why;
  const auto source = ParseSource("nats://a,b:4333,[::1]:4222/web-1_x", &why);
  ASSERT_TRUE(source) << why;
  EXPECT_EQ(source->kind, Endpoint::Kind::kNats);
  EXPECT_EQ(source->servers, (std::vector<std::string>{"a", "b:4333", "[::1]:4222"}));
  EXPECT_EQ(source->path, "web-1_x");
  EXPECT_EQ(source->data(), "nats://a,b:4333,[::1]:4222/web-1_x");
  EXPECT_EQ(ParseSource(source->data(), &why), source);
  EXPECT_FALSE(source->IsLocal());
  EXPECT_EQ(ParseSource("tcp://a:1", &why), ParseEndpoint("tcp://a:1", &why));
}

TEST(Source, WhatIsNoLogIsSaid) {
  for (const char* const text :
       {"nats://", "nats:///x", "nats://a", "nats://a/", "nats://a/b.c", "nats://a/b/c",
        "nats://a,/x", "nats://,a/x", "nats://*/x", "nats://a:0/x", "nats://a:70000/x",
        "nats://u:p@a/x", "nats://a/x y"}) {
    std::string why;
    EXPECT_FALSE(ParseSource(text, &why)) << text;
    EXPECT_NE(why, "") << text;
  }
  std::string why;
  EXPECT_FALSE(ParseEndpoint("nats://a/x", &why)) << "nothing can be bound there";
}

}  // namespace
}  // namespace pipedup
