# What zsh offers for a command line whose last word is to be completed, one a line:
# zsh -f complete.zsh DIRECTORY LINE
fpath=($1 $fpath)
zmodload zsh/zpty

# The line editor, on a terminal of its own, with one key: it prints what it would show.
edit() {
  autoload -Uz compinit
  compinit -D -u
  compadd() {
    if (( ${@[(I)-[ADO]]} )); then builtin compadd "$@"; return; fi
    local -a offered
    builtin compadd -O offered "$@"
    (( $#offered )) && print -rl -- '<'$^offered'>'
    builtin compadd "$@"
  }
  complete-word() {
    unset 'compstate[vared]'
    _main_complete "$@"
    print '<END>'
    exit
  }
  bindkey '^I' complete-word
  zle -C complete-word complete-word complete-word
  stty rows 1000 cols 500
  local line
  vared -c line
}

zpty editor edit
zpty -w editor "$2"$'\t'
while zpty -r editor line; do
  [[ $line == *'<END>'* ]] && break
  [[ $line =~ '<(.*)>' ]] && print -r -- $match[1]
done | sort -u
zpty -d editor
