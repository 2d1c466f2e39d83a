"""Pictures and videos that frames are compared with, as files; it imports no model, so that a command checks them."""

from collections.abc import Sequence
from pathlib import Path

from slurm.errors import InputError

PICTURES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")
VIDEOS = (".mp4", ".mkv", ".webm", ".mov", ".m4v", ".avi", ".ts")


def list_references(given: Sequence[str]) -> list[Path]:
    """The pictures and videos that these files and folders are or hold, by name. Raises InputError."""
    found: list[Path] = []
    for name in given:
        path = Path(name).expanduser()
        if not path.exists():
            raise InputError(f"similarity.references: {name} does not exist")
        files = sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
        usable = [file for file in files if file.suffix.lower() in (*PICTURES, *VIDEOS)]
        if not usable:
            kinds = ", ".join(PICTURES + VIDEOS)
            raise InputError(f"similarity.references: {name} holds no picture or video ({kinds})")
        found += usable
    if not found:
        raise InputError("similarity.references is empty: name pictures, videos or folders to compare frames with")
    return found
