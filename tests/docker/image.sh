# The images that the tests use: a base, and on it pipedup, by its own Dockerfile. Sourced by
# tests/docker/run.
# shellcheck shell=bash disable=SC2154  # root, work_dir and release are set there

readonly image=pipedup-test
base=debian:$release-slim

# base_find: leaves in `base` an image that the Dockerfile can begin with, or returns 1.
base_find() {
  docker image inspect "$base" >/dev/null 2>&1 && return 0
  in_group timeout --foreground 60 docker pull --quiet "$base" >/dev/null 2>&1 && return 0
  say "$base cannot be pulled here: making one like it with debootstrap"
  base=$image-base
  base_make
}

base_make() {
  local bare=$work_dir/bare
  in_group make_bare_debian "$bare" "$work_dir/debootstrap.log" || return 1
  # What makes an image slim, and its packages quick to install.
  {
    printf 'path-exclude /usr/share/%s/*\n' doc man info locale
    echo force-unsafe-io
  } >"$bare/etc/dpkg/dpkg.cfg.d/slim"
  rm -rf "$bare"/usr/share/{doc,man,info,locale}/* "$bare"/var/{cache/apt,lib/apt/lists}/* \
    "$bare"/var/log/*.log
  tar -C "$bare" -c . | docker import - "$base" >/dev/null
}

# image_build NAME CONTEXT [OPTION...]: with the network of this machine, which reaches packages.
image_build() {
  local name=$1 context=$2
  shift 2
  in_group timeout --foreground 1200 docker build --network host --force-rm --tag "$name" "$@" "$context" \
    >"$work_dir/build.log" 2>&1 || {
    tail -n 40 "$work_dir/build.log"
    return 1
  }
}

# image_make: builds pipedup's.
image_make() {
  local revision
  local -a options=(--file "$root/docker/Dockerfile" --build-arg "BASE=$base"
    --build-arg "JOBS=$(nproc)")
  revision=$(git -C "$root" rev-parse --short HEAD 2>/dev/null) || revision=unknown
  # The first stage by itself, so that it has a name, by which it is removed again.
  image_build "$image-build" "$root" --target build "${options[@]}" &&
    image_build "$image" "$root" "${options[@]}" --build-arg "REVISION=$revision"
}

# images_remove: all that was made here; what was pulled stays.
images_remove() {
  docker images --format '{{.Repository}}:{{.Tag}}' | grep "^$image" |
    xargs -r docker rmi --force >/dev/null 2>&1 || true
}
