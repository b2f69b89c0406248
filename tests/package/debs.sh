# The packages as files. Sourced by run.
# shellcheck shell=bash

# make_packages INTO
make_packages() {
  (cd "$build" && cpack --config CPackConfig.cmake -B "$1") && rm -rf "$1/_CPack_Packages"
}

# Leaves them unpacked, in $work/root and $work/dev, for the tests that follow.
test_two_packages_are_made() {
  make_packages "$work/debs"
  expect "packages" "libpipedup-dev pipedup" \
    "$(for deb in "$work"/debs/*.deb; do dpkg-deb -f "$deb" Package; done | sort | xargs)"
  dpkg-deb -x "$work"/debs/pipedup_*.deb "$work/root"
  dpkg-deb -x "$work"/debs/libpipedup-dev_*.deb "$work/dev"
}

test_lintian_has_nothing_to_say() {
  # Not as root it would be another user's files; it warns about that, in any case, on stderr.
  lintian --allow-root --fail-on error,warning "$work"/debs/*.deb
}

test_the_same_source_makes_the_same_packages() {
  make_packages "$work/again"
  (cd "$work/debs" && sha256sum -- *.deb) >"$work/sums"
  (cd "$work/again" && sha256sum -c "$work/sums")
}

test_each_program_has_a_page_and_completions() {
  local program share=$work/root/usr/share
  for program in "${programs[@]}"; do
    ls "$share/man/man1/$program.1.gz" "$share/bash-completion/completions/$program" \
      "$share/zsh/vendor-completions/_$program" "$share/fish/vendor_completions.d/$program.fish"
  done
  expect "pages" "${#programs[@]}" "$(find "$share/man/man1" -type f | wc -l)"
}

test_nothing_names_the_place_where_it_was_built() {
  local found
  found=$(grep -rlF -e "$repository" -e "$build" "$work/root" "$work/dev" || true)
  expect "files with $repository in them" "" "$found"
}

test_examples_are_settings_that_the_programs_take() {
  local name
  # What is commented out is meant to be taken in, too. Keys are not looked at before a start.
  for name in pub sub relay; do
    "$work/root/usr/bin/pipedup-$name" --print-config --config \
      "$work/root/usr/share/doc/pipedup/examples/$name.toml"
    sed 's/^#\([a-z]\)/\1/' "$work/root/usr/share/doc/pipedup/examples/$name.toml" >"$work/$name.toml"
    "$work/root/usr/bin/pipedup-$name" --print-config --config "$work/$name.toml"
  done
}

check_debs() {
  check lintian_has_nothing_to_say
  check the_same_source_makes_the_same_packages
  check each_program_has_a_page_and_completions
  check nothing_names_the_place_where_it_was_built
  check examples_are_settings_that_the_programs_take
}
