# What pipedup needs from Debian 12, and how it is installed. Sourced by quickstart and check:
# the only place that names packages.
#
# An entry is PACKAGE or PACKAGE:COMMAND. With a command, the package is wanted only where that
# command is not found, so that a compiler or a web server from elsewhere is left alone.
# shellcheck shell=bash disable=SC2034  # the lists are used by the scripts that source this

# Compile and link the programs, and make their manual pages.
build_packages=(
  g++:g++ cmake:cmake ninja-build:ninja pkg-config:pkg-config
  libzmq3-dev cppzmq-dev libcli11-dev nlohmann-json3-dev libxxhash-dev libzstd-dev
  libmicrohttpd-dev libnats-dev scdoc:scdoc
)
# quickstart's demonstration: a real web server and something that asks it for pages.
demo_packages=(nginx-light:nginx curl:curl)
# What the README's commands need beside that.
readme_packages=(jq:jq make:make)
# The tests. procps and python3 are used by tests that look at processes or act as a peer, iproute2
# and iptables by those that unplug a network; benchmarks are not run, but they have to compile.
# ccache: two of the builds differ in one layer.
test_packages=(
  ccache:ccache libgtest-dev libbenchmark-dev libsodium-dev procps:ps python3:python3 iproute2:ip iptables:iptables
)
# The live page in a browser, and what Prometheus thinks of the metrics. Fonts, so that letters are
# seen where none are installed.
page_packages=(
  chromium:chromium nodejs:node npm:npm prometheus:promtool fonts-liberation fonts-dejavu-core
)
# The clients in other languages.
client_packages=(
  python3:python3 python3-zmq python3-xxhash python3-zstandard nodejs:node npm:npm
)
# The second compiler. The runtime has the sanitizers and the fuzzer's driver.
clang_packages=(clang-14:clang++-14 libclang-rt-14-dev)
# A cluster that keeps streams.
nats_packages=(nats-server:nats-server openssl:openssl python3:python3 iproute2:ip iptables:iptables)
# Making Debian packages of it, and looking at what is in them.
package_packages=(
  dpkg-dev:dpkg-shlibdeps lintian:lintian man-db:man bash-completion zsh:zsh fish:fish
  systemd:systemd-analyze strace:strace debootstrap:debootstrap
)

# A container engine, and what a base image is made with where none can be pulled.
docker_packages=(
  docker.io:dockerd docker-compose:docker-compose debootstrap:debootstrap procps:ps iproute2:ip
)

# Daemons live in sbin, which an ordinary user of Debian does not have in PATH.
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin

# missing_packages ENTRY...: prints the names of those that are not there, one a line.
missing_packages() {
  local entry name command
  for entry in "$@"; do
    name=${entry%%:*}
    command=${entry#"$name"}
    command=${command#:}
    if [[ -n $command ]] && command -v "$command" >/dev/null; then continue; fi
    if [[ $(dpkg-query -W -f '${db:Status-Status}' "$name" 2>/dev/null) == installed ]]; then
      continue
    fi
    printf '%s\n' "$name"
  done
}

# as_root COMMAND...: runs it as root, through sudo where we are not.
as_root() {
  if ((EUID == 0)); then "$@"; else sudo "$@"; fi
}

# install_packages ENTRY...: installs what is missing and does nothing otherwise.
# Returns 1, after one line on stderr, when that is not possible.
install_packages() {
  local -a missing
  mapfile -t missing < <(missing_packages "$@")
  ((${#missing[@]})) || return 0

  if ! command -v apt-get >/dev/null; then
    # Not Debian: the names differ and dpkg cannot tell what is there, so let the build find out.
    echo "No apt-get here; going on without what Debian calls: ${missing[*]}" >&2
    return 0
  fi
  if ((EUID != 0)) && ! command -v sudo >/dev/null; then
    echo "Missing packages, and neither root nor sudo: apt-get install ${missing[*]}" >&2
    return 1
  fi

  echo "Installing ${missing[*]} (a minute or two)"
  local log
  log=$(mktemp)
  if install_without_starting_services "${missing[@]}" >"$log" 2>&1; then
    rm -f "$log"
    return 0
  fi
  tail -n 20 "$log" >&2
  rm -f "$log"
  echo "apt-get could not install: ${missing[*]}" >&2
  return 1
}

# install_without_starting_services NAME...
# Packages of servers start them, and enable them for the next boot. We want the programs only,
# so a policy forbids starting anything during this one installation.
install_without_starting_services() {
  local policy=/usr/sbin/policy-rc.d own_policy=0 status=0 name
  if [[ ! -e $policy ]]; then
    own_policy=1
    printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null || return 1
    as_root chmod 755 "$policy"
  fi
  # A broken list of somebody else's is no reason to stop: the installation itself decides.
  as_root apt-get update -q || true
  as_root env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y -q --no-install-recommends "$@" || status=1
  for name in "$@"; do
    ((status == 0)) || break
    case $name in
      nginx*) as_root update-rc.d nginx disable || true ;;
      docker.io) as_root update-rc.d docker disable || true ;;
    esac
  done
  if ((own_policy)); then as_root rm -f "$policy"; fi
  return "$status"
}
