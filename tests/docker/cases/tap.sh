# A tap is started when somebody wants one, on a producer whose output goes on as before.
# shellcheck shell=bash disable=SC2154  # project is set by tests/docker/run

# tap ARGUMENT...: as its file says it is used, and named, so that it can be found.
tap() { compose run --rm -T --no-deps tap "$@" 2>tap.err; }

app_has_printed() { (($(printed app | wc -l) >= $1)); }

# docker-compose as it is called in the README, of whichever version is here.
docker-compose() {
  timeout --foreground "$patience_seconds" "${composer[@]}" --project-name "$project" "$@" </dev/null
}

as_in_the_readme() (
  cd "$root" || exit 1
  docker-compose -f docker/tap/docker-compose.yml up -d >"$1" 2>&1 || exit 1
  docker-compose -f docker/tap/docker-compose.yml run --rm -T tap | grep --line-buffered / |
    head -n 3 >"$1"
)

test_tap() {
  local joined status=0
  export EVERY=0.001
  as_in_the_readme "$PWD/got.readme" 2>readme.err || true  # the tap ends with its reader: 141
  [[ $(wc -l <got.readme) == 3 ]] || fail "the README's tap got: $(cat got.readme readme.err)"
  expect "the producer" app_has_printed 20

  tap --from start --count 300 >got.all || fail "a tap ended with $?: $(tail -n 2 tap.err)"
  joined=$(printed app | wc -l)
  tap --last 5 --count 10 | grep -c / >got.last || fail "grep behind a tap ended with $?"
  # A tap whose reader leaves, and one that is killed, are nothing to the rest.
  tap --from start | head -n 1 >got.first || true
  [[ $(wc -l <got.first) == 1 ]] || fail "head got $(wc -l <got.first) lines"
  (($(docker ps --quiet --filter "label=com.docker.compose.project=$project" | wc -l) >= 1)) ||
    fail "nothing runs any more"
  expect "the producer, after the taps" app_has_printed $((joined + 20))

  # A signal reaches the producer through PID 1, and its end is the end of the service.
  compose_quietly stop app
  status=$(docker inspect --format '{{.State.ExitCode}}' "$(container app)")
  [[ $status == 143 ]] || fail "the stopped producer's status became $status"
  printed app >produced
  head -n 300 produced >expected.all
  expect_same "300 records from the start" expected.all got.all
  [[ $(<got.last) == 10 ]] || fail "the last 5 and 5 more are $(<got.last)"
}
