# Manual pages: what is generated and what is prose, against the programs. Sourced by run.
# shellcheck shell=bash

# help_options PROGRAM: the options of its --help, one a line.
help_options() {
  "$work/root/usr/bin/$1" --help | grep -oE '^  (-., |    )--[a-z-]+' | grep -oE -- '--[a-z-]+' | sort
}

# shown PAGE: as people see it, in one line for each paragraph.
shown() { MANWIDTH=10000 man -P cat -l "$1" | col -b; }

test_a_page_has_the_options_of_its_programs_help() {
  local on_page
  on_page=$(shown "$work/root/usr/share/man/man1/$1.1.gz" |
    grep -oE '^ {7}(-., )?--[a-z-]+' | grep -oE -- '--[a-z-]+' | sort)
  [[ -n $on_page ]]
  expect "options" "$(help_options "$1")" "$on_page"
}

test_pages_name_no_option_that_there_is_not() {
  local page program
  # Those of other programs in examples.
  local -a foreign=(--line-buffered --now)
  {
    printf '%s\n' "${foreign[@]}"
    for program in "${programs[@]}"; do help_options "$program"; done
  } | sort -u >"$work/known"
  for page in "$work"/root/usr/share/man/man*/*; do
    shown "$page" | grep -oE -- '(^|[^-a-z])--[a-z][a-z-]+' | grep -oE -- '--[a-z-]+'
  done | sort -u >"$work/named"
  [[ -s $work/named ]]
  expect "unknown options" "" "$(comm -13 "$work/known" "$work/named")"
}

test_pages_are_sound_and_found_by_their_purpose() {
  local page warnings
  for page in "$work"/root/usr/share/man/man*/*; do
    warnings=$(man --warnings -E UTF-8 -l -Tutf8 -Z "$page" 2>&1 >/dev/null)
    expect "warnings of $page" "" "$warnings"
    lexgrog "$page"
  done
}

check_manual() {
  local program
  for program in "${programs[@]}"; do
    check a_page_has_the_options_of_its_programs_help "$program"
  done
  check pages_name_no_option_that_there_is_not
  check pages_are_sound_and_found_by_their_purpose
}
