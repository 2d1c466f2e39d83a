"""What tries at a video that came to no end have left, for the next one to go on with.

<work>/<process>/        of a try: no other process writes there
<work>/left-<process>/   of one that gave up: nobody writes there any more

What the dead have left is taken with its folder. But whether a process on a node that was lost has died, nobody can
tell, and it may write on to the files that it has open, whatever becomes of their names. So nothing is taken from it:
whole files are copied, and of begun ones what they had when they were last synced.
"""

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from stages.core.storage.remote import on_disk
from stages.core.storage.scratch import died, own_name

SYNC_BYTES = 1 << 24  # who writes a `.part` syncs it whenever it has grown by so much
LEFT = "left-"
# Written by those who sync nothing (ffmpeg, yt-dlp); and notes, which go with what they tell of.
NOT_COPIED = re.compile(r"^\.|^unfinished|^stream-.*\.(part|ytdl)|\.part\.json$")


@contextmanager
def own_folder(work: Path) -> Iterator[Path]:
    """A folder in `work` for one try alone, with what the furthest one before has left. Raises ItemError disk."""
    own = work / own_name()
    with on_disk(work):
        _go_on(work, own)
    try:
        yield own
    finally:
        with suppress(OSError):  # it is gone when the video is done
            own.rename(work / f"{LEFT}{own.name}")


def _go_on(work: Path, own: Path) -> None:
    work.mkdir(parents=True, exist_ok=True)
    others = sorted(filter(Path.is_dir, work.iterdir()), key=_progress)
    furthest = others.pop() if others else None
    if furthest is None or not _moved(furthest, own):
        own.mkdir()
        for file in _files(furthest) if furthest else ():
            _copy(file, own / file.name)
    for other in others:
        if _is_free(other):
            shutil.rmtree(other, ignore_errors=True)


def _progress(folder: Path) -> tuple[int, str]:
    with suppress(FileNotFoundError):  # another one took it while we looked
        return sum(file.lstat().st_size for file in _files(folder)), folder.name
    return 0, folder.name


def _files(folder: Path) -> list[Path]:
    """What can be copied; nothing of a folder that is no more."""
    with suppress(FileNotFoundError):
        files = sorted(file for file in folder.iterdir() if not NOT_COPIED.search(file.name))
        return [file for file in files if file.is_file() and not file.is_symlink()]
    return []


def _is_free(folder: Path) -> bool:
    return folder.name.startswith(LEFT) or died(folder.name)


def _moved(folder: Path, own: Path) -> bool:
    """Whether the folder was free and is ours now: of all who want it one gets it."""
    with suppress(OSError):
        if _is_free(folder):
            folder.rename(own)
            return True
    return False


def _copy(file: Path, target: Path) -> None:
    """Copies what nobody can change any more of a file."""
    note = file.with_name(f"{file.name}.json")
    with suppress(FileNotFoundError):
        told = _content(note)
        size = file.stat().st_size
        size -= size % SYNC_BYTES if file.suffix == ".part" else 0
        if size:
            shutil.copyfile(file, target)
            if _content(note) != told or target.stat().st_size < size:  # something else was begun there meanwhile
                target.unlink()
                return
            os.truncate(target, size)
            if told is not None:
                target.with_name(f"{target.name}.json").write_bytes(told)


def _content(note: Path) -> bytes | None:
    return note.read_bytes() if note.exists() else None
