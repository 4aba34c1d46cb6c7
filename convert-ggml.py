"""The former name of convert.py; commands with it are answered with the new one, and run."""

import sys

from utils.cli.former_names import answer

if __name__ == "__main__":
    answer("convert-ggml.py", sys.argv[1:])
