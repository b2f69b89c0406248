# What fish offers for a command line whose last word is to be completed, one a line:
# fish complete.fish DIRECTORY LINE
set -g fish_complete_path $argv[1] $fish_complete_path
complete -C"$argv[2]" | string replace -r '\t.*' '' | sort -u
