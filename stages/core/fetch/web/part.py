"""A begun download, `<file>.part`, and a note beside it of what it is a part of; the file is there when it is whole."""

import json
import os
from hashlib import file_digest, sha256
from pathlib import Path
from typing import NamedTuple, Self

from stages.core.storage.begun import SYNC_BYTES

NOTED_BYTES = 1 << 22  # less is fetched again sooner than a note of it is written: at a kill, not at a failure


class Saved(NamedTuple):
    file: Path
    bytes: int
    sha256: str


class Part:
    """What there is of `file` so far: the first `bytes` of what the server has at `url`.

    `size` is what it has in all, None as long as that is not known. `validator` is a strong ETag or a date, by which
    the server tells whether it still has the same. The note holds both, and of the URL only the hash: there may be
    passwords in it. Where there is a note, what lies beside it is as it says; a part without one is dropped.
    """

    def __init__(self, file: Path, url: str) -> None:
        self.file, self.path, self.note = file, _beside(file, ".part"), _beside(file, ".part.json")
        self.url = sha256(url.encode()).hexdigest()
        self.size: int | None = None
        self.validator: str | None = None
        self.noted = self.over = False

    def __enter__(self) -> Self:
        self.out = self.path.open("ab+")
        self.bytes, self.digest = self.out.tell(), sha256()
        if self.bytes:
            self._remember()
        return self

    def __exit__(self, *_: object) -> None:
        self.out.close()
        if not self.over and self.bytes and self.validator:
            self._write_note()
        elif not self.over:
            self.drop()

    def _remember(self) -> None:
        try:
            note = json.loads(self.note.read_bytes())
        except (FileNotFoundError, ValueError):  # it was killed before, or as it wrote it
            note = {}
        self.noted = True
        if note.get("url") == self.url:
            self.size, self.validator = note["size"], note["validator"]
            self.out.seek(0)
            self.digest = file_digest(self.out, "sha256")
        else:
            self.begin(None, None)

    def _write_note(self) -> None:
        if not self.noted:
            self.note.write_text(json.dumps({"url": self.url, "size": self.size, "validator": self.validator}))
            self.noted = True

    def rest(self) -> dict[str, str]:
        """The headers that ask for what is missing, or for the whole of what the server has now."""
        if not self.bytes or self.validator is None:
            return {}
        return {"Range": f"bytes={self.bytes}-", "If-Range": self.validator}

    def begin(self, size: int | None, validator: str | None) -> None:
        """Drops what there is: another file begins, or the same anew."""
        if self.noted:
            self.note.unlink(missing_ok=True)
        if self.bytes:
            self.out.truncate(0)
        self.bytes, self.size, self.validator, self.noted, self.digest = 0, size, validator, False, sha256()

    def append(self, block: bytes) -> None:
        self.out.write(block)
        self.digest.update(block)
        self.bytes += len(block)
        if self.bytes >= NOTED_BYTES and self.validator:
            self._write_note()
        if self.bytes % SYNC_BYTES < len(block):
            self.out.flush()
            os.fdatasync(self.out.fileno())

    def drop(self) -> None:
        self.note.unlink(missing_ok=True)
        self.path.unlink(missing_ok=True)
        self.over = True

    def whole(self) -> Saved:
        self.out.close()
        if self.noted:
            self.note.unlink()
        self.path.replace(self.file)
        self.over = True
        return Saved(self.file, self.bytes, self.digest.hexdigest())


def _beside(file: Path, suffix: str) -> Path:
    return file.with_name(file.name + suffix)
