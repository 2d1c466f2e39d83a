"""Frames that a file has and no player shows, since its edit list leaves them out: input that was cut by copying."""

from pathlib import Path

from slurm.errors import ItemError
from stages.core.video.read.opening import open_container


def count_hidden(path: Path) -> int:
    """The video frames that an edit list hides, by the file's own tables; 0 of what cannot be opened."""
    try:
        container = open_container(str(path))
    except ItemError:
        return 0
    with container:
        streams = container.streams.video
        return sum(entry.is_discard for entry in streams[0].index_entries) if streams else 0
