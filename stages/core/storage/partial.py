"""Partial files of unfinished download attempts; the next attempt resumes from them.

<work>/<process>/        an attempt: only this process writes there
<work>/left-<process>/   an attempt that gave up: no process writes there any more

The folder of a dead process is taken over by renaming it. But a process on a lost node may still live, and may go on
writing to its open files even if they are renamed. So its files are copied instead: complete files whole, partial files
up to the last sync.
"""

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from stages.core.storage.errors import translate_disk_errors
from stages.core.storage.process_folders import is_process_dead, new_process_name

SYNC_BYTES = 1 << 24  # a writer of a `.part` file syncs it each time it has grown by this much
LEFT = "left-"
# Files of writers that do not sync (ffmpeg, yt-dlp); and notes, which are copied with their `.part` file.
NOT_COPIED = re.compile(r"^\.|^unfinished|^stream-.*\.(part|ytdl)|\.part\.json$")


@contextmanager
def claim_folder(work: Path) -> Iterator[Path]:
    """A folder in `work` for this attempt alone, with the partial files of the furthest one before.

    Raises ItemError disk.
    """
    own = work / new_process_name()
    with translate_disk_errors(work):
        _take_over(work, own)
    try:
        yield own
    finally:
        with suppress(OSError):  # the folder is removed when the video is complete
            own.rename(work / f"{LEFT}{own.name}")


def _take_over(work: Path, own: Path) -> None:
    work.mkdir(parents=True, exist_ok=True)
    others = sorted(filter(Path.is_dir, work.iterdir()), key=_progress)
    furthest = others.pop() if others else None
    if furthest is None or not _rename_free(furthest, own):
        own.mkdir()
        for file in _files(furthest) if furthest else ():
            _copy(file, own / file.name)
    for other in others:
        if _is_free(other):
            shutil.rmtree(other, ignore_errors=True)


def _progress(folder: Path) -> tuple[int, str]:
    with suppress(FileNotFoundError):  # another process took it over meanwhile
        return sum(file.lstat().st_size for file in _files(folder)), folder.name
    return 0, folder.name


def _files(folder: Path) -> list[Path]:
    """The files that may be copied; none if the folder has vanished."""
    with suppress(FileNotFoundError):
        files = sorted(file for file in folder.iterdir() if not NOT_COPIED.search(file.name))
        return [file for file in files if file.is_file() and not file.is_symlink()]
    return []


def _is_free(folder: Path) -> bool:
    return folder.name.startswith(LEFT) or is_process_dead(folder.name)


def _rename_free(folder: Path, own: Path) -> bool:
    """Whether the folder was free and has been renamed to `own`; of several processes only one succeeds."""
    with suppress(OSError):
        if _is_free(folder):
            folder.rename(own)
            return True
    return False


def _copy(file: Path, target: Path) -> None:
    """Copies the part of a file that no process can change any more."""
    note = file.with_name(f"{file.name}.json")
    with suppress(FileNotFoundError):
        note_before = _content(note)
        size = file.stat().st_size
        size -= size % SYNC_BYTES if file.suffix == ".part" else 0
        if size:
            shutil.copyfile(file, target)
            if _content(note) != note_before or target.stat().st_size < size:  # its owner started another download
                target.unlink()
                return
            os.truncate(target, size)
            if note_before is not None:
                target.with_name(f"{target.name}.json").write_bytes(note_before)


def _content(note: Path) -> bytes | None:
    return note.read_bytes() if note.exists() else None
