"""How a command ends: with its status, or with one sentence that says what is wrong and the way out.

Exit status 2 where something is the user's to mend, 130 at Ctrl-C.
"""

import errno
import os
import pwd
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NoReturn

from slurm.errors import ReelmillError
from slurm.screen import visible

ROWS_STAY = "rows that are finished are kept, and tasks that Slurm has go on"
SHOWN = ("run", "runs", "step", "chunk", "pool", "pipeline", "every", "watch")  # other values may be long, or secret


@contextmanager
def ending(interrupted: str) -> Iterator[None]:
    """Ends the process where the block is interrupted or meets what the user has to mend.

    `interrupted` says what Ctrl-C leaves behind.
    """
    try:
        if signal.getsignal(signal.SIGINT) is quit_at_once:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        yield
        sys.stdout.flush()
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, signal.SIG_DFL)  # all is done: no traceback from Python's own end
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        print(f"\ninterrupted: {interrupted}; to go on: {again()}", file=sys.stderr)
        with suppress(OSError):
            sys.stdout.flush()
        os._exit(130)  # without what Python does at its end, which another Ctrl-C would break off with a traceback
    except BrokenPipeError:  # as when its output goes to `head`
        os._exit(130)
    except ReelmillError as error:
        refuse(str(error))
    except OSError as error:
        refuse(explain(error))
    except subprocess.TimeoutExpired as error:
        refuse(f"{error.cmd[0]} did not answer for {error.timeout:g} s: try again when it does")


def end_at_ctrl_c() -> None:
    """Has Ctrl-C end the process at once, until `ending` begins: a library that is imported may swallow it, or half."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # else it is ignored, as below nohup
        signal.signal(signal.SIGINT, quit_at_once)


def quit_at_once(*_: object) -> None:
    print(f"\ninterrupted: nothing was begun; again: {again()}", file=sys.stderr)
    os._exit(130)


def refuse(sentence: str) -> NoReturn:
    """Says it and ends the process with status 2."""
    print(f"error: {visible(sentence)}", file=sys.stderr)
    sys.exit(2)


def again() -> str:
    """This command line, as far as it may be shown."""
    words = [word for word in sys.argv[1:] if "=" not in word or word.partition("=")[0] in SHOWN]
    called = sys.orig_argv
    program = ["-m", called[called.index("-m") + 1]] if "-m" in called[:-1] else sys.argv[:1]
    return shlex.join(["python", *program, *words]) + (" …" if len(words) < len(sys.argv) - 1 else "")


def explain(error: OSError) -> str:
    """A sentence about a file that cannot be read or written, or what else the system refused."""
    what = error.strerror or str(error)
    coded = re.search(r"\(os error (\d+)\)", what)  # as polars puts it, which sets no errno
    number = error.errno or (int(coded[1]) if coded else 0)
    path = Path(os.fsdecode(error.filename)) if isinstance(error.filename, str | bytes) else None
    if number in (errno.ENOSPC, errno.EDQUOT):
        mend = (
            "make room (python -m slurm clean run=NAME frees what was replaced), then give the same command again: "
            "what is finished is kept"
        )
    elif path and number in (errno.EACCES, errno.EPERM):
        owner, path = owner_of(path)
        mend = f"it belongs to {owner}; ask for access, or work in a place of your own (run=NAME, runs=DIR)"
        if owner == owner_name(os.getuid()):
            mend = "it is yours: give yourself the right (chmod u+rwX)"
    elif path and number == errno.ENOENT:
        mend = "was it removed? The command that made it makes it again"
    else:
        mend = "if it is a place that you chose, choose another one (runs=DIR)"
    return f"{path}: {what}: {mend}" if path else f"{what}: {mend}"


def owner_of(path: Path) -> tuple[str, Path]:
    """Whose it is that stands in the way: the path, or the nearest folder above it that can be looked at."""
    for place in (path, *path.absolute().parents):
        with suppress(OSError):
            return owner_name(place.lstat().st_uid), place
    return "somebody else", path


def owner_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"
