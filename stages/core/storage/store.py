"""The store of a run's media files: a folder or an object store.

    <root>/<first two hex digits of sha256(video_id)>/<video_id>.mp4     and <video_id>.json, a text beside it
    <root>/.partial/<video_id>/<attempt>/                                partial files (if the store is a folder)

A file appears under its name only when it is complete.
"""

import os
import re
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path

from slurm.errors import InputError
from slurm.record.files import replacing
from stages.core.storage import objects, scratch
from stages.core.storage.addresses import OBJECT_STORES, VIDEO_SUFFIXES
from stages.core.storage.errors import hide_passwords, translate_disk_errors
from stages.core.storage.partial import claim_folder
from stages.core.storage.remote import find_package


def media_path(video_id: str, name: str) -> str:
    """The path of a video's file below the root: files of a video side by side, videos spread over 256 folders."""
    return f"{sha256(video_id.encode()).hexdigest()[:2]}/{name}"


def file_name(video_id: str) -> str:
    """The id itself if it is a plain file name, else its readable start and 20 hex digits of its hash."""
    if re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,119}", video_id):
        return video_id
    readable = re.sub(r"[^A-Za-z0-9]+", "-", video_id)[:40].strip("-")
    return f"{readable or 'video'}-{sha256(video_id.encode()).hexdigest()[:20]}"


def check(root: str) -> None:
    """Raises InputError that names store.root for a root that cannot work; sends no request, creates nothing."""
    scheme, separator, bucket = root.partition("://")
    wrong = None
    if not separator:
        folder = Path(root)
        existing = next(path for path in (folder, *folder.parents) if path.exists())
        if not folder.is_absolute():
            wrong = f"not an absolute path; write {folder.absolute()}"
        elif not existing.is_dir():
            wrong = f"{existing} is not a folder"
        elif not os.access(existing, os.W_OK | os.X_OK):
            wrong = f"no permission to write in {existing}"
    elif scheme not in OBJECT_STORES:  # in which incomplete uploads are invisible
        wrong = f"{scheme}:// is none of {', '.join(OBJECT_STORES)}; if it is mounted, give it as a folder"
    elif not bucket.strip("/"):
        wrong = "it names no bucket"
    elif "@" in bucket.partition("/")[0]:
        wrong = "the address stands in every row, so no key belongs in it: AWS_ACCESS_KEY_ID=… in a cluster.env_file"
    elif find_spec(find_package(scheme)[0]) is None:
        wrong = find_package(scheme)[1]
    if wrong:
        raise InputError(hide_passwords(f"store.root={root}: {wrong}"))


class Store:
    """The store at an absolute path or an address. Methods raise ItemErrors: disk (or no access), network."""

    def __init__(self, root: str) -> None:
        self.root = root.rstrip("/")
        self.remote = "://" in root

    def address(self, file: Path, video_id: str) -> str:
        """The path or address to which `put` moves the file."""
        suffix = file.suffix.lower()
        return self._address(video_id, suffix if suffix in VIDEO_SUFFIXES else ".video")

    @contextmanager
    def work_folder(self, video_id: str) -> Iterator[Path]:
        """A folder for one attempt at a video, with the partial files of the attempt before.

        It is in the store if that is a folder, so that another node can resume from it; else in scratch.
        """
        with claim_folder(self._work_folder(video_id)) as folder:
            yield folder

    def remove_work(self, video_id: str) -> None:
        """Removes the partial files of all attempts at a video."""
        shutil.rmtree(self._work_folder(video_id), ignore_errors=True)

    def put(self, file: Path, video_id: str) -> str:
        """Moves (or uploads) a complete file into the store, durably; returns its path or address."""
        address = self.address(file, video_id)
        if self.remote:
            objects.put(file, address)
        else:
            _move(file, Path(address))
        return address

    def write_beside(self, video_id: str, text: str) -> None:
        """Writes a text beside the video's file, atomically, replacing any before."""
        address = self._address(video_id, ".json")
        if self.remote:
            objects.write(address, text.encode())
        else:
            with translate_disk_errors(address), replacing(Path(address)) as temporary:
                temporary.write_text(text)

    def read_beside(self, video_id: str) -> str | None:
        """The text beside the video's file, None if there is none."""
        address = self._address(video_id, ".json")
        if self.remote:
            content = objects.read(address)
            return None if content is None else content.decode()
        with translate_disk_errors(address):
            return Path(address).read_text() if Path(address).exists() else None

    def size(self, address: str) -> int | None:
        """The size in bytes of a file in the store, None if it does not exist."""
        if self.remote:
            return objects.size(address)
        return Path(address).stat().st_size if Path(address).is_file() else None

    def _address(self, video_id: str, suffix: str) -> str:
        return f"{self.root}/{media_path(video_id, file_name(video_id) + suffix)}"

    def _work_folder(self, video_id: str) -> Path:
        folder = scratch.scratch_folder() / "fetch" if self.remote else Path(self.root, ".partial")
        return folder / file_name(video_id)


def find_files(root: str, video_ids: Iterable[str]) -> Iterator[str]:
    """Paths or addresses of all that the stores in a folder, or at an address, have of these videos.

    Those are stores of several settings, and of other runs as well: video, record, and what attempts have left. Raises
    ItemError: disk, network.
    """
    root = root.rstrip("/")
    for video_id in video_ids:
        place, name = media_path(video_id, ""), file_name(video_id)
        if "://" in root:
            found = objects.find(f"{root}/*/{place}{name}.*")
            yield from (address for address in found if _is_of(address.rpartition("/")[2], name))
            continue
        for store in sorted(Path(root).glob("*/")):
            folder = store / place
            names = sorted(os.listdir(folder)) if folder.is_dir() else []
            yield from (str(folder / file) for file in names if _is_of(file, name))
            if (partial := store / ".partial" / name).is_dir():
                yield str(partial)


def _is_of(file: str, name: str) -> bool:
    """Whether a file is that of a video, its record, or one of these half written."""
    bare = file.lstrip(".")
    if not bare.startswith(f"{name}."):
        return False
    return file != bare or "." not in bare[len(name) + 1 :]


def remove(address: str) -> None:
    """Removes a file, a link, a folder, or an object, if there is one. Raises ItemError: disk, network."""
    if "://" in address:
        objects.remove(address)
        return
    path = Path(address)
    with translate_disk_errors(path):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def _move(file: Path, target: Path) -> None:
    with translate_disk_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        if not file.is_symlink():  # a linked file belongs to someone else
            _sync(file)
        file.replace(target)
        for folder in (
            target.parent,
            target.parent.parent,
        ):  # the first may be new, and then its entry in the second needs a sync too
            _sync(folder)


def _sync(path: Path) -> None:
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
