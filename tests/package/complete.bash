# What bash offers for a command line whose last word is to be completed, one a line:
# complete.bash FILE WORD...
source /usr/share/bash-completion/bash_completion
source "$1"
shift
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMP_LINE="$*"
COMP_POINT=${#COMP_LINE}
compopt() { :; } # only of use within readline
"$(complete -p "$1" | sed -E 's/.*-F ([^ ]+) .*/\1/')" "$1" "${COMP_WORDS[COMP_CWORD]}" \
  "${COMP_WORDS[COMP_CWORD - 1]}"
printf '%s\n' "${COMPREPLY[@]}" | sort -u
