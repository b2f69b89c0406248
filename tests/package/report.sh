# How the tests of packages are run and reported. Sourced.
# shellcheck shell=bash

passed=0 failed=0

# check NAME [ARGUMENT...]: runs test_NAME, whose words are a sentence; its first command that
# fails makes it fail. What it printed is shown then.
check() {
  local name=$1 log status began=$SECONDS
  shift
  log=$(mktemp)
  set +e
  # Not as a condition: there -e does not count.
  (set -e && "test_$name" "$@") </dev/null >"$log" 2>&1
  status=$?
  set -e
  if ((status == 0)); then
    passed=$((passed + 1))
    printf 'ok      %s (%d s)\n' "${name//_/ }${1:+: $*}" $((SECONDS - began))
  else
    failed=$((failed + 1))
    printf 'FAILED  %s (%d s)\n' "${name//_/ }${1:+: $*}" $((SECONDS - began))
    tail -n 60 "$log" | sed 's/^/        /'
  fi
  rm -f "$log"
}

# expect WHAT EXPECTED ACTUAL: in a test.
expect() {
  [[ $2 == "$3" ]] && return
  printf '%s\nexpected: %s\nbut it is: %s\n' "$1" "$2" "$3"
  return 1
}

# wait_until COMMAND...: until it succeeds; fails after a minute.
wait_until() {
  local turn
  for ((turn = 0; turn < 600; turn++)); do
    if "$@"; then return; fi
    sleep 0.1
  done
  echo "a minute has gone by without: $*"
  return 1
}
