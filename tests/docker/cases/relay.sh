# Readers behind a relay, in a network that does not lead to the publisher; with keys. The relay
# is killed under load.
# shellcheck shell=bash disable=SC2154  # project and image are set by tests/docker/run

relay_has_joined() { [[ $(said publisher | grep -c "relay .* has joined") == "$1" ]]; }

# stranger PROGRAM ARGUMENT...: in the readers' network, beside them.
stranger() {
  docker run --rm --network "${project}_edge" --dns-opt timeout:1 --dns-opt attempts:1 "$image" "$@" 2>&1
}

test_relay() {
  local kill reader status
  # Its second half waits until the relay has been killed.
  export PRODUCER="tar -C / --sort=name -c usr
    until test -e /dev/shm/go; do sleep 0.1; done; tar -C / --sort=name -c usr/bin"
  export VERBOSE=yes
  up --scale reader=3
  for kill in 1 2; do
    expect "the relay" relay_has_joined "$kill"
    docker kill "$(container relay)" >/dev/null
    up --scale reader=3
  done
  expect "the relay, after it was killed" relay_has_joined 3
  docker exec "$(container publisher)" touch /dev/shm/go
  # All is well, but two relays that had joined have never confirmed the end.
  expect_status publisher 3

  docker run --rm --network none "$image" \
    sh -c 'tar -C / --sort=name -c usr; tar -C / --sort=name -c usr/bin' >produced
  sha256sum <produced >expected
  for reader in $(container reader); do
    status=$(timeout --foreground "$patience_seconds" docker wait "$reader") || fail "a reader does not end"
    [[ $status == 0 ]] || fail "a reader ended with $status"
    docker logs "$reader" 2>/dev/null >got
    expect_same "the digest of $(stat -c %s produced) bytes" expected got
  done

  # Late, when the publisher has gone: from the relay alone.
  compose run --rm -T --no-deps reader >got 2>late.err || fail "a late reader: $(tail -n 2 late.err)"
  expect_same "the same, late" expected got

  stranger pipedup-sub --give-up 2s publisher >out && fail "there is a way round the relay"
  stranger pipedup-sub --give-up 2s --from start relay >out && fail "the relay serves one without a key"
  [[ $(wc -c <out) -lt 1000 ]] || fail "one without a key got something"
  for reader in publisher relay; do
    said "$reader" | grep -i 'warning: .*open to everyone' && fail "$reader is open to everyone"
  done
  return 0
}
