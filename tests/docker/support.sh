# What the cases are written with. Sourced by tests/docker/run.
# shellcheck shell=bash disable=SC2154  # root, case, project and composer are set there

# No single wait is longer than this; each ends as soon as what it waits for is there.
readonly patience_seconds=180

say() { printf '%s\n' "$*"; }

# fail WHY: ends the case.
fail() {
  say "  FAILED: $*"
  exit 1
}

# wait_for SECONDS COMMAND...: until it succeeds. Returns 1 if it has not by then.
wait_for() {
  local deadline=$((SECONDS + $1))
  shift
  until "$@"; do
    if ((SECONDS >= deadline)); then return 1; fi
    sleep 0.1
  done
}

# in_group COMMAND...: waits for it in such a way that a signal to this script is acted upon at once,
# and that one signal ends all that it has started.
group=
in_group() {
  local status=0
  set -m
  ("$@") </dev/null &
  group=$!
  set +m
  wait "$group" || status=$?
  group=
  return "$status"
}
end_group() {
  if [[ -n $group ]]; then kill -KILL -- "-$group" 2>/dev/null || true; fi
}

# expect WHAT COMMAND...: waits until it succeeds.
expect() {
  local what=$1
  shift
  wait_for "$patience_seconds" "$@" || fail "waited $patience_seconds s for $what"
}

# compose ARGUMENT...: with the file of the case and a project of its own.
compose() {
  timeout --foreground "$patience_seconds" "${composer[@]}" --project-name "$project" \
    --file "$root/docker/$case/docker-compose.yml" "$@" </dev/null
}

# compose_quietly ARGUMENT...: shows what it said only if it fails.
compose_quietly() {
  compose "$@" >compose.log 2>&1 || fail "compose $*: $(tail -n 5 compose.log)"
}

# up [SERVICE...]: in the background, with no image but those that are there.
up() { compose_quietly up --detach --no-build "$@"; }

# container SERVICE: its id, also when it has ended.
container() {
  docker ps --all --quiet --no-trunc --filter "label=com.docker.compose.project=$project" \
    --filter "label=com.docker.compose.service=$1" --filter "label=com.docker.compose.oneoff=False"
}

# expect_status SERVICE STATUS: waits for its end, and looks how it ended.
expect_status() {
  local got
  got=$(timeout --foreground "$patience_seconds" docker wait "$(container "$1")") ||
    fail "$1 does not end"
  if [[ $got != "$2" ]]; then
    said "$1" | tail -n 5
    fail "$1 ended with $got instead of $2"
  fi
}

# printed SERVICE: what it wrote to stdout, as the engine has kept it.
printed() { docker logs "$(container "$1")" 2>/dev/null; }
# said SERVICE: what it wrote to stderr.
said() { { docker logs "$(container "$1")" >/dev/null; } 2>&1; }
has_said() { said "$1" | grep -e "$2" >/dev/null; }

# file_of SERVICE PATH: a file in its container, or on a volume of it.
file_of() { docker cp "$(container "$1"):$2" - | tar -xO; }

# expect_same WHAT EXPECTED GOT: two files, byte for byte; neither is empty.
expect_same() {
  [[ -s $2 ]] || fail "$1: nothing was produced, so nothing is tested"
  cmp "$2" "$3" || fail "$1: $(wc -c <"$2") bytes were produced, not just these arrived"
  say "  $1: $(wc -c <"$3") bytes, identical"
}
