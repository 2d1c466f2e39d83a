"""What tasks of tests do: they leave a note."""

import os
import time
from pathlib import Path

from support.runs import until


def note(path: str) -> None:
    """Leaves its process, its start and its end in a file; a task whose file is named `bad…` raises."""
    started = time.time()
    time.sleep(0.3)
    Path(path).write_text(f"{os.getpid()} {started} {time.time()} {os.environ.get('REELMILL_TEST', '')}")
    if Path(path).name.startswith("bad"):
        raise RuntimeError("told in its log only")


def meet(path: str) -> None:
    """Ends well only if three tasks run at once."""
    Path(path).write_text("alone")
    until(lambda: len(list(Path(path).parent.glob("[abc]"))) == 3, 60)
    Path(path).write_text("met")
