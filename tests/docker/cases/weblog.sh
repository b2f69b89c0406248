# A web server run by pipedup-pub: its log is distributed while a real Prometheus scrapes it.
# shellcheck shell=bash disable=SC2154  # set by tests/docker/run

prepare_weblog() {
  image_build "$image-nginx" "$root/docker/weblog" --build-arg "PIPEDUP_IMAGE=$image" &&
    image_build "$image-prometheus" "$root/tests/docker" \
      --file "$root/tests/docker/prometheus.Dockerfile" --build-arg "BASE=$base"
}

# visit COUNT: asks for /missing/1 to COUNT and for / after each, from a container beside it.
visit() {
  docker run --rm --network "${project}_default" "$image" bash -ec '
    for ((n = 1; n <= $1; ++n)); do
      for path in "/missing/$n" /; do
        exec 3<>/dev/tcp/web/8080
        printf "GET %s HTTP/1.0\r\n\r\n" "$path" >&3
        cat <&3 >/dev/null
      done
    done' bash "$1"
}

# paths: of the requests in a log.
paths() { sed -nE 's/.*"GET ([^ ]+) HTTP.*/\1/p'; }
web_answers() { visit 0 && docker exec "$(container web)" bash -c ': <>/dev/tcp/127.0.0.1/8080' 2>/dev/null; }
missing_has() { (($(printed missing | wc -l) >= $1)); }
# scraped QUERY: the value that Prometheus has for it, if it has one.
scraped() {
  docker exec "$(container prometheus)" promtool query instant http://127.0.0.1:9090 "$1" 2>/dev/null |
    sed -nE 's/.* => ([0-9.e+]+) @.*/\1/p'
}
has_scraped() { [[ $(scraped "$1") == "$2" ]]; }

test_weblog() {
  local all n got
  local -r visits=200
  export PROMETHEUS_IMAGE=$image-prometheus WEB_PORT=0 LIVE_PORT=0 PROMETHEUS_PORT=0
  up
  expect "the web server" web_answers
  docker run --rm --network "${project}_default" "$image" pipedup-sub --from start web >log &
  all=$!
  visit "$visits"
  for ((n = 1; n <= visits; ++n)); do printf '/missing/%d\n/\n' "$n"; done >requested
  expect "those that were not found" missing_has "$visits"
  expect "Prometheus to scrape it" has_scraped 'up{job="pipedup"}' 1
  expect "Prometheus to know how much was published" has_scraped \
    'pipedup_published_records_total{stream="access"}' $((visits * 2))
  say "  Prometheus: $(scraped 'pipedup_published_records_total') records," \
    "$(scraped pipedup_subscribers) subscribers"

  # The server ends first, in its own time; that is the end of the stream.
  compose_quietly stop web
  wait "$all" || fail "the subscriber did not get to the end: $?"
  got=$(docker inspect --format '{{.State.ExitCode}}' "$(container web)")
  [[ $got == 0 ]] || fail "nginx's status 0 became $got"
  paths <log >got
  expect_same "$((visits * 2)) requests in the log" requested got
  printed missing | paths >got.missing
  grep missing requested >expected.missing
  expect_same "those that were not found" expected.missing got.missing
}
