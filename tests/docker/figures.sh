# What a container costs: size of the image, time to start, CPU time of an idle publisher. No test:
# nothing is asserted. Sourced by tests/docker/run.
# shellcheck shell=bash disable=SC2154  # image and base are set by tests/docker/run

readonly idle_seconds=60
readonly idle_subscribers=100

figures() {
  project=pipedup-test-figures
  docker network create "$project" >/dev/null
  figure_size
  figure_start
  figure_idle
  remove_project
  docker network rm "$project" >/dev/null
}

figure_size() {
  local all below
  all=$(docker image inspect --format '{{.Size}}' "$image")
  below=$(docker image inspect --format '{{.Size}}' "$base")
  say "Image: $(numfmt --to=si "$all")B, of which $(numfmt --to=si $((all - below)))B are not $base"
}

# From the start of the process, as the engine has it, to the line that says what is published.
figure_start() {
  local n started said
  for n in 1 2 3 4 5; do
    docker run --detach --name "$project-$n" "$image" pipedup-pub --verbose -- sleep 600 >/dev/null
    wait_for 30 publishes "$project-$n" || return 1
    started=$(docker inspect --format '{{.State.StartedAt}}' "$project-$n")
    said=$(docker logs --timestamps "$project-$n" 2>&1 | awk '/publishing/ { print $1; exit }')
    say "Start $n: publishing $(milliseconds_between "$started" "$said") ms after the container's start"
    docker rm --force "$project-$n" >/dev/null
  done
}

publishes() { docker logs "$1" 2>&1 | grep publishing >/dev/null; }
milliseconds_between() {
  echo $((($(date --date "$2" +%s%N) - $(date --date "$1" +%s%N)) / 1000000))
}

figure_idle() {
  docker run --detach --name "$project-pub" --network "$project" --shm-size 128m "$image" \
    pipedup-pub --verbose --bind '*:5590' --insecure -- sleep 6000 >/dev/null
  wait_for 30 publishes "$project-pub" || return 1
  say "Idle publisher: $(cpu_share) % of a core over $idle_seconds s"
  docker run --detach --name "$project-subs" --network "$project" "$image" \
    sh -c "for n in \$(seq $idle_subscribers); do pipedup-sub $project-pub & done; wait" >/dev/null
  wait_for 120 all_joined || return 1
  say "With $idle_subscribers idle subscribers: $(cpu_share) %"
}

all_joined() { (($(docker logs "$project-pub" 2>&1 | grep -c 'has joined') >= idle_subscribers)); }

# cpu_share: of all threads of the publisher, in per cent.
cpu_share() {
  local before
  before=$(cpu_nanoseconds)
  sleep "$idle_seconds"
  awk -v before="$before" -v after="$(cpu_nanoseconds)" -v seconds="$idle_seconds" \
    'BEGIN { printf "%.2f", (after - before) / seconds / 1e7 }'
}
cpu_nanoseconds() {
  docker exec "$project-pub" sh -c 'cat /proc/1/task/*/schedstat' |
    awk '{ sum += $1 } END { printf "%.0f", sum }'
}
