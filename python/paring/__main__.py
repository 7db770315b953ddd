"""``python -m paring`` and the command ``paring``: the command line, without PyTorch."""

import signal
import sys

from ._paring import main as run


def main() -> int:
    """Runs the command line with the arguments of the process, and gives its exit status."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # the library runs long without looking for Python's signals
    if hasattr(signal, "SIGPIPE"):
        signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    return run(["paring", *sys.argv[1:]])


if __name__ == "__main__":
    sys.exit(main())
