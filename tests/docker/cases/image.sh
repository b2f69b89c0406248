# The image by itself: who it runs as, how healthy it says it is, and that a stop drains it.
# shellcheck shell=bash disable=SC2154  # project and image are set by tests/docker/run

inspected() { docker inspect --format "$2" "$1"; }
is_healthy() { [[ $(inspected "$project" '{{.State.Health.Status}}') == "$1" ]]; }
nobody_is_dead() { ! docker exec "$project" sh -c 'cat /proc/[0-9]*/stat' | grep ') Z ' >/dev/null; }

test_image() {
  local got subscriber
  got=$(inspected "$image" '{{.Config.User}} {{.Config.StopSignal}}')
  [[ $got == "65532:65532 SIGTERM" ]] || fail "user and stop signal are $got"
  got=$(docker run --rm --network none "$image" pipedup-pub --version | head -n 1)
  [[ " $got " == *" $(inspected "$image" '{{index .Config.Labels "org.opencontainers.image.version"}}') "* ]] ||
    fail "the label has another version than $got"

  # A producer that has something to say when it is told to stop.
  docker run --detach --name "$project" --network none --read-only --cap-drop ALL \
    --security-opt no-new-privileges:true --shm-size 128m --health-interval 1s "$image" \
    pipedup-pub -- sh -c '
      trap "cat /etc/debian_version; exit 7" TERM
      sh -c "sleep 0 & sleep 0 & exec true"
      cat /etc/os-release
      while :; do sleep 0.1; done' >/dev/null
  expect "a healthy publisher" is_healthy healthy
  docker run --rm --network "container:$project" "$image" pipedup-sub --from start >got &
  subscriber=$!
  expect "the first output" test -s got
  expect "orphans to be reaped" nobody_is_dead
  docker kill --signal STOP "$project" >/dev/null
  expect "a publisher that stands still to be unhealthy" is_healthy unhealthy
  docker kill --signal CONT "$project" >/dev/null
  expect "a healthy publisher again" is_healthy healthy

  docker stop --time "$patience_seconds" "$project" >/dev/null
  wait "$subscriber" || fail "the subscriber did not get to the end: $?"
  got=$(inspected "$project" '{{.State.ExitCode}}')
  [[ $got == 7 ]] || fail "the producer's status 7 became $got"
  docker run --rm --network none "$image" cat /etc/os-release /etc/debian_version >produced
  expect_same "what the producer said, until after it was told to stop" produced got
}
