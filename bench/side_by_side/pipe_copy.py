#!/usr/bin/env python3
"""pipe_copy.py COMMAND...: copies stdin to the stdin of every command, as a short script does it.

read() returns what is there, up to 64 KiB, so a line does not wait for the next one. A command
that leaves ends the copy for all, and one that does not read holds up all.
"""

import os
import subprocess
import sys

CHUNK_BYTES = 64 * 1024


def copy(descriptor, pipes):
    while chunk := os.read(descriptor, CHUNK_BYTES):
        for pipe in pipes:
            pipe.write(chunk)


def main(commands):
    if not commands:
        sys.exit(__doc__.partition(":")[0])
    children = [subprocess.Popen(command, shell=True, stdin=subprocess.PIPE, bufsize=0)
                for command in commands]
    copy(sys.stdin.fileno(), [child.stdin for child in children])
    for child in children:
        child.stdin.close()
    return max(child.wait() for child in children)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
