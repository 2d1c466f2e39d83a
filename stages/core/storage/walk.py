"""The files of a folder, those behind symbolic links included."""

import logging
import os
from collections import Counter, deque
from pathlib import Path
from typing import NamedTuple

log = logging.getLogger("reelmill")


class Found(NamedTuple):
    """`files` sorted by path, all `folders` below, and the number of those that were not read, by reason."""

    files: list[Path]
    folders: set[Path]
    left_out: Counter[str]


def find_files(*places: Path) -> Found:
    """The places that are files, and all files in those that are folders and below, without what is hidden there.

    Every folder is read once, by its own path rather than by one through a link: so circles end, and a link that is
    added changes no path. A link to a folder that was read counts as `linked_again`, one that may not be read as
    `folder_unreadable`. A broken link is a file.
    """
    files: list[Path] = []
    below = set[Path]()
    left_out = Counter[str]()
    seen: set[tuple[int, int]] = set()
    links = deque(sorted(places, key=Path.is_symlink))
    while links:
        folders = [links.popleft()]
        while folders:
            place = folders.pop()
            if not os.path.isdir(place):  # noqa: PTH112  Path.is_dir raises where it may not look
                files.append(place)
                continue
            try:
                facts = place.stat()
                new = (facts.st_dev, facts.st_ino) not in seen
                seen.add((facts.st_dev, facts.st_ino))
                entries = list(place.iterdir()) if new else []
            except OSError as error:
                log.warning("%s cannot be read and is left out: %s", place, error.strerror)
                left_out["folder_unreadable"] += 1
                continue
            below.add(place)
            left_out["linked_again"] += not new
            for entry in sorted(entry for entry in entries if not entry.name.startswith(".")):
                (links if entry.is_symlink() else folders).append(entry)
    return Found(sorted(set(files)), below, +left_out)
