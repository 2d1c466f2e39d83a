"""The store: where a run's media lie, a folder or an object store.

    <root>/<first two hex digits of sha256(video_id)>/<video_id>.mp4     and .json, a text beside it
    <root>/.partial/<video_id>/<try>/                                    of a folder: what is being fetched

Nothing appears there under its name before it is whole.
"""

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path

from slurm.errors import InputError
from slurm.record.files import replacing
from stages.core.storage import objects, scratch
from stages.core.storage.begun import own_folder
from stages.core.storage.kinds import SUFFIXES
from stages.core.storage.remote import on_disk, package, shown

OBJECT_STORES = ("s3", "s3a", "gs", "gcs", "az", "abfs")  # in which what is not whole is not to be seen


def place(video_id: str, name: str) -> str:
    """Where a file of a video lies: those of a video side by side, videos spread over 256 folders."""
    return f"{sha256(video_id.encode()).hexdigest()[:2]}/{name}"


def file_name(video_id: str) -> str:
    """The id itself where it is a plain file name, else its readable start and 20 hex digits of its hash."""
    if re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,119}", video_id):
        return video_id
    readable = re.sub(r"[^A-Za-z0-9]+", "-", video_id)[:40].strip("-")
    return f"{readable or 'video'}-{sha256(video_id.encode()).hexdigest()[:20]}"


def check(root: str) -> None:
    """What can be told of a store without asking it: InputError that names store.root."""
    scheme, separator, bucket = root.partition("://")
    wrong = None
    if not separator:
        folder = Path(root)
        there = next(above for above in (folder, *folder.parents) if above.exists())
        if not folder.is_absolute():
            wrong = f"not an absolute path, as {folder.absolute()} would be"
        elif not there.is_dir():
            wrong = f"{there} is not a folder"
        elif not os.access(there, os.W_OK | os.X_OK):
            wrong = f"nothing can be written in {there}"
    elif scheme not in OBJECT_STORES:
        wrong = f"{scheme}:// is none of {', '.join(OBJECT_STORES)}; where it is mounted, give it as a folder"
    elif not bucket.strip("/"):
        wrong = "it names no bucket"
    elif find_spec(package(scheme)[0]) is None:
        wrong = package(scheme)[1]
    if wrong:
        raise InputError(shown(f"store.root={root}: {wrong}"))


class Store:
    """The store at an absolute path or an address. Errors are ItemErrors: disk (it is not let in), network."""

    def __init__(self, root: str) -> None:
        self.root = root.rstrip("/")
        self.remote = "://" in root

    def address(self, file: Path, video_id: str) -> str:
        """Where `put` puts the file."""
        suffix = file.suffix.lower()
        return self._address(video_id, suffix if suffix in SUFFIXES else ".video")

    @contextmanager
    def work_folder(self, video_id: str) -> Iterator[Path]:
        """A folder for one try at a video: in the store, so that another node may go on with it, or in scratch."""
        with own_folder(self._work_folder(video_id)) as folder:
            yield folder

    def remove_work(self, video_id: str) -> None:
        """Removes what all tries to fetch it have left."""
        shutil.rmtree(self._work_folder(video_id), ignore_errors=True)

    def put(self, file: Path, video_id: str) -> str:
        """The address at which the file is whole, and safe from a crash; from a folder of this store it is moved."""
        address = self.address(file, video_id)
        if self.remote:
            objects.put(file, address)
        else:
            _move(file, Path(address))
        return address

    def write_beside(self, video_id: str, text: str) -> None:
        """Puts a text beside the video's file, in place of the one before."""
        address = self._address(video_id, ".json")
        if self.remote:
            objects.write(address, text.encode())
        else:
            with on_disk(address), replacing(Path(address)) as temporary:
                temporary.write_text(text)

    def read_beside(self, video_id: str) -> str | None:
        """The text beside the video's file, if there is one."""
        address = self._address(video_id, ".json")
        if self.remote:
            content = objects.read(address)
            return None if content is None else content.decode()
        with on_disk(address):
            return Path(address).read_text() if Path(address).exists() else None

    def size(self, address: str) -> int | None:
        """The bytes of a file that is in the store, None if it is not."""
        if self.remote:
            return objects.size(address)
        return Path(address).stat().st_size if Path(address).is_file() else None

    def _address(self, video_id: str, suffix: str) -> str:
        return f"{self.root}/{place(video_id, file_name(video_id) + suffix)}"

    def _work_folder(self, video_id: str) -> Path:
        folder = scratch.folder() / "fetch" if self.remote else Path(self.root, ".partial")
        return folder / file_name(video_id)


def _move(file: Path, target: Path) -> None:
    with on_disk(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        if not file.is_symlink():  # what is linked is its owner's
            _sync(file)
        file.replace(target)
        for folder in (target.parent, target.parent.parent):  # the first may be new in the second
            _sync(folder)


def _sync(path: Path) -> None:
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
