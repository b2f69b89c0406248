# A producer in its container, ingest, and three subscribers with consumers of their own.
# shellcheck shell=bash disable=SC2154  # root and image are set by tests/docker/run

prepare_fanout() {
  image_build "$image-jq" "$root/docker/fanout" --build-arg "PIPEDUP_IMAGE=$image"
}

test_fanout() {
  local service
  export RECORDS=200000
  sh "$root/docker/fanout/access_log" "$RECORDS" >produced
  up
  # Each says by its status that it has had all of it.
  for service in producer ingest errors slow archive; do expect_status "$service" 0; done

  grep '"status":500' produced >expected.errors
  printed errors >got.errors
  expect_same "grep" expected.errors got.errors
  docker run --rm --interactive --network none "$image-jq" \
    jq -c 'select(.ms >= 990) | [.path, .ms]' <produced >expected.slow
  printed slow >got.slow
  expect_same "jq" expected.slow got.slow
  file_of archive /var/lib/pipedup/web.log >got.archive
  expect_same "the file" produced got.archive
}
