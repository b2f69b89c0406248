# A container engine for the tests: the one that runs, or else one of our own, which leaves nothing
# behind. Sourced by tests/docker/run.
# shellcheck shell=bash disable=SC2034  # engine_why_not is read there

# Ours runs in namespaces of its own (mounts, processes; network too, once nothing has to be
# fetched any more), so that its containers, bridges, firewall rules and mounts end with it,
# however this script ends.
engine_dir=  # of our own engine; empty while there is none
engine_pid=
engine_why_not=
readonly engine_bridge=docker0
engine_made_bridge=0  # in this machine's network
readonly engine_cgroup=pipedup-docker-$$

# engine_find: uses the engine that DOCKER_HOST, or the default, leads to; else starts our own.
# Returns 1 and sets `engine_why_not` if neither is possible.
engine_find() {
  if engine_answers; then
    say "Using the engine that runs here"
    return 0
  fi
  if ((EUID != 0)); then
    engine_why_not="no container engine runs here, and only root can start one"
  elif ! command -v dockerd >/dev/null; then
    engine_why_not="no container engine runs here, and dockerd is not installed"
  else
    engine_dir=$(mktemp -d /var/tmp/pipedup-docker.XXXXXX) || return 1
    export DOCKER_HOST=unix://$engine_dir/socket
    engine_start connected && return 0
    engine_why_not="dockerd does not start: $(engine_complaint)"
  fi
  return 1
}

# engine_start connected|isolated
engine_start() {
  local -a namespaces=(--mount --propagation private --pid --fork --kill-child --mount-proc)
  local -a options=()
  if [[ $1 == isolated ]]; then
    namespaces+=(--net)
  else
    # It is there to build images with this machine's network, and adds nothing to that but the
    # bridge that every engine makes.
    options=(--iptables=false --ip-forward=false)
    if ! ip link show "$engine_bridge" >/dev/null 2>&1; then engine_made_bridge=1; fi
  fi
  # Bash stays the first process of the namespace, so somebody takes care of strays.
  # shellcheck disable=SC2016  # expanded by that shell
  unshare "${namespaces[@]}" bash -c '
      ip link set lo up
      "$@" &
      trap "kill -TERM $!" TERM
      until wait $!; [[ -z $(jobs -rp) ]]; do :; done' bash \
    dockerd "${options[@]}" --data-root "$engine_dir/data" --exec-root "$engine_dir/exec" \
    --pidfile "$engine_dir/pid" --host "$DOCKER_HOST" --cgroup-parent "/$engine_cgroup" \
    >>"$engine_dir/log" 2>&1 </dev/null &
  engine_pid=$!
  wait_for 60 engine_decided && engine_answers
}

engine_answers() { timeout 20 docker info >/dev/null 2>&1; }
engine_ended() { ! kill -0 "$engine_pid" 2>/dev/null; }
engine_decided() { engine_answers || engine_ended; }
engine_complaint() {
  grep -iE 'level=(error|fatal)|failed' "$engine_dir/log" | tail -n 1 | cut -c -300
}

# engine_isolate: from now on our engine, too, has a network that leads nowhere.
engine_isolate() {
  [[ -n $engine_dir ]] || return 0
  engine_end
  engine_start isolated
}

# engine_end: asks it to end; whatever is still there after that goes with its namespaces.
engine_end() {
  [[ -n $engine_pid ]] || return 0
  local first
  # unshare passes no signal on; the first process inside is its only child.
  first=$(ps -o pid= --ppid "$engine_pid" | tr -d ' ') || true
  if [[ -n $first ]]; then kill -TERM "$first" 2>/dev/null || true; fi
  wait_for 30 engine_ended || kill -KILL "$engine_pid" 2>/dev/null || true
  wait "$engine_pid" 2>/dev/null || true
  engine_pid=
  if ((engine_made_bridge)); then ip link delete "$engine_bridge" 2>/dev/null || true; fi
  engine_made_bridge=0
}

# engine_remove: ends our engine and takes away all that it has written.
engine_remove() {
  [[ -n $engine_dir ]] || return 0
  engine_end
  wait_for 10 engine_files_removed || say "left behind: $engine_dir"
  find /sys/fs/cgroup -depth -type d -path "*/$engine_cgroup*" -exec rmdir {} + 2>/dev/null || true
  engine_dir=
}

engine_files_removed() { rm -rf --one-file-system "${engine_dir:?}" 2>/dev/null; }
