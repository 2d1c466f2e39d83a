"""The ends of logs."""

from pathlib import Path

TAIL_BYTES = 4096


def log_tail(path: Path) -> str:
    """The end of a log; "" if there is none."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - TAIL_BYTES))
            return file.read().decode(errors="replace")
    except OSError:
        return ""


def last_line(path: Path) -> str:
    """The last line of a log in which something stands; "" if there is none."""
    return next((line.strip() for line in reversed(log_tail(path).splitlines()) if line.strip()), "")
