# Subscribers without any network read the publisher's journal on a volume in memory.
# shellcheck shell=bash disable=SC2154  # image is set by tests/docker/run

test_shared() {
  local service
  up
  for service in publisher checksum list; do expect_status "$service" 0; done
  docker run --rm --network none "$image" tar --create --directory=/ --sort=name usr >produced
  sha256sum <produced >expected.checksum
  docker run --rm --interactive --network none "$image" tar --list <produced >expected.list
  for service in checksum list; do
    printed "$service" >"got.$service"
    expect_same "$service of $(stat -c %s produced) bytes" "expected.$service" "got.$service"
    has_said "$service" "mode: attached" || fail "$service did not read the journal itself"
  done
}
