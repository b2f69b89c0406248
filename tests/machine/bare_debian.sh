# Makes a bare Debian 12 out of what this machine can install. Sourced by tests/machine/fresh and
# tests/docker/run.
# shellcheck shell=bash

readonly release=bookworm

# apt_lines: this machine's own Debian sources, as lines for sources.list. Other vendors' are
# left out: a bare Debian has none.
apt_lines() {
  # shellcheck disable=SC2016  # apt's own variables
  apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' \
    'Created-By: Packages' 'Origin: Debian' | grep " $release" | sort -u | sed 's/^/deb /'
}

# make_bare_debian DIRECTORY LOG: returns 1, after saying why, if that is not possible.
make_bare_debian() {
  local mirror
  mirror=$(apt_lines | awk -v release="$release" '$3 == release && $4 == "main" { print $2; exit }')
  if [[ -z $mirror ]]; then
    echo "apt knows no Debian mirror for $release; try apt-get update" >&2
    return 1
  fi
  # Where the mirror is reached through https, even apt needs the certificates.
  # A signal to the group of the caller ends debootstrap as well, and its mounts end with it.
  timeout --foreground 900 unshare --mount --propagation private \
    debootstrap --variant=minbase --include=ca-certificates "$release" "$1" "$mirror" \
    >"$2" 2>&1 || {
    tail -n 20 "$2" >&2
    echo "debootstrap failed" >&2
    return 1
  }
  copy_network_setup "$1"
}

# How this machine reaches the network is not what is tested: its mirrors, proxy, names and
# certificates are copied.
copy_network_setup() {
  local new=$1 file
  apt_lines >"$new/etc/apt/sources.list"
  apt-config dump | grep -E '^Acquire::(https?|Check-[A-Za-z-]+|Retries)\b' \
    >"$new/etc/apt/apt.conf.d/90machine" || true
  for file in /etc/resolv.conf /etc/hosts /etc/ssl/certs/ca-certificates.crt; do
    if [[ -e $file ]]; then cp -L "$file" "$new$file"; fi
  done
}
