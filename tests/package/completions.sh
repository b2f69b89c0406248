# Completions: each shell is asked, and has to offer the same. Sourced by run.
# shellcheck shell=bash

# offered SHELL WORD...: what it offers for the last word, sorted, on one line; of a path the
# last part.
offered() {
  local shell=$1 share=$work/root/usr/share
  shift
  (
    cd "$work/place" || exit
    export PATH=$work/root/usr/bin:$PATH HOME=$work/place TERM=dumb
    case $shell in
      bash) timeout 60 bash --norc "$here/complete.bash" "$share/bash-completion/completions/$1" "$@" ;;
      zsh) timeout 60 zsh -f "$here/complete.zsh" "$share/zsh/vendor-completions" "$*" ;;
      fish) timeout 60 fish --no-config "$here/complete.fish" "$share/fish/vendor_completions.d" "$*" ;;
    esac
  ) | sed -E 's:/$::; s:.*/::; /^$/d' | sort -u | xargs
}

# A directory with something to complete.
make_place() {
  mkdir -p "$work/place/some/directory"
  touch "$work/place/some/file"
}

test_a_shell_completes_all_options() {
  local program
  for program in "${programs[@]}"; do
    expect "$1: $program --" "$(help_options "$program" | xargs)" \
      "$(offered "$1" "$program" -- | tr ' ' '\n' | grep -E '^--' | xargs)"
  done
}

test_a_shell_completes_values() {
  local shell=$1
  is() { expect "$shell: ${*:2}" "$1" "$(offered "$shell" "${@:2}")"; }
  is "--slow" pipedup-pub --sl
  is "drop wait" pipedup-pub --slow ''
  is "lines nul raw" pipedup-pub --records ''
  is "zstd" pipedup-pub --compress z
  is "always never" pipedup-pub --fsync ''
  is "now start" pipedup-sub --from ''
  is "on-failure" pipedup-sub --restart on
  is "" pipedup-pub --retain ''
}

test_a_shell_completes_files_directories_and_commands() {
  local shell=$1
  is() { expect "$shell: ${*:2}" "$1" "$(offered "$shell" "${@:2}")"; }
  is "directory file" pipedup-pub --allow-keys some/
  is "directory file" pipedup-sub --cursor some/
  is "directory" pipedup-pub --journal some/
  is "pipedup-tee" pipedup-pub -- pipedup-te
  is "pipedup-tee" pipedup-sub -s x -- pipedup-te
  is "pipedup-tee" pipedup-tee pipedup-te
  is "file" pipedup-pub -- cat some/fi
}

check_completions() {
  local shell
  make_place
  for shell in bash zsh fish; do
    check a_shell_completes_all_options "$shell"
    check a_shell_completes_values "$shell"
    check a_shell_completes_files_directories_and_commands "$shell"
  done
}
