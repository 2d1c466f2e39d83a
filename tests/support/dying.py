"""Runs a module as `python -m` does, and is killed at its n-th change of a file.

    python -m support.dying N MODULE WORD …

A change is a rename, a link, a removal, or a file that is opened to be written. N=0: it lives, and says how many.
"""

import os
import runpy
import signal
import sys

CHANGES = ("os.rename", "os.link", "os.remove", "os.rmdir", "os.mkdir", "os.truncate")


def main() -> None:
    most, module, *words = sys.argv[1:]
    seen = 0

    def count(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal seen
        writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR)
        if (event in CHANGES or writes) and "/runs/" in str(arguments[0]):
            seen += 1
            if seen == int(most):
                os.kill(os.getpid(), signal.SIGKILL)

    sys.argv = [module, *words]
    sys.addaudithook(count)
    try:
        runpy.run_module(module, run_name="__main__")
    finally:
        if most == "0":
            print(f"changes: {seen}", file=sys.stderr)


if __name__ == "__main__":
    main()
