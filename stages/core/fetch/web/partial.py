"""A partial download, `<file>.part`, with a note beside it of its origin; renamed to `<file>` when complete."""

import json
import os
from hashlib import file_digest, sha256
from pathlib import Path
from typing import NamedTuple, Self

from stages.core.storage.partial import SYNC_BYTES

NOTED_BYTES = 1 << 22  # below this no note is written while downloading: a kill then costs less than the note would


class SavedFile(NamedTuple):
    file: Path
    bytes: int
    sha256: str


class PartialFile:
    """The first `bytes` bytes of the file at `url`, downloaded so far.

    `size` is the size of the whole file, None while unknown. `validator` is a strong ETag or a date, by which the
    server can tell whether its file is unchanged. The note, `<file>.part.json`, holds both and a hash of the URL (which
    may contain a password). Partial bytes are used only with a note that fits; without one they are dropped.
    """

    def __init__(self, file: Path, url: str) -> None:
        self.file, self.path, self.note = file, _beside(file, ".part"), _beside(file, ".part.json")
        self.url = sha256(url.encode()).hexdigest()
        self.size: int | None = None
        self.validator: str | None = None
        self.has_note = self.is_closed = False

    def __enter__(self) -> Self:
        self.out = self.path.open("ab+")
        self.bytes, self.digest = self.out.tell(), sha256()
        if self.bytes:
            self._load_note()
        return self

    def __exit__(self, *_: object) -> None:
        self.out.close()
        if not self.is_closed and self.bytes and self.validator:
            self._write_note()
        elif not self.is_closed:
            self.drop()

    def _load_note(self) -> None:
        try:
            note = json.loads(self.note.read_bytes())
        except (FileNotFoundError, ValueError):  # the process was killed before or while it wrote the note
            note = {}
        self.has_note = True
        if note.get("url") == self.url:
            self.size, self.validator = note["size"], note["validator"]
            self.out.seek(0)
            self.digest = file_digest(self.out, "sha256")
        else:
            self.begin(None, None)

    def _write_note(self) -> None:
        if not self.has_note:
            self.note.write_text(json.dumps({"url": self.url, "size": self.size, "validator": self.validator}))
            self.has_note = True

    def range_headers(self) -> dict[str, str]:
        """The request headers for the missing bytes; if the file has changed, the server sends all of the new one."""
        if not self.bytes or self.validator is None:
            return {}
        return {"Range": f"bytes={self.bytes}-", "If-Range": self.validator}

    def begin(self, size: int | None, validator: str | None) -> None:
        """Drops the bytes so far and starts again with a file of this size and validator."""
        if self.has_note:
            self.note.unlink(missing_ok=True)
        if self.bytes:
            self.out.truncate(0)
        self.bytes, self.size, self.validator, self.has_note, self.digest = 0, size, validator, False, sha256()

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
        self.is_closed = True

    def finish(self) -> SavedFile:
        self.out.close()
        if self.has_note:
            self.note.unlink()
        self.path.replace(self.file)
        self.is_closed = True
        return SavedFile(self.file, self.bytes, self.digest.hexdigest())


def _beside(file: Path, suffix: str) -> Path:
    return file.with_name(file.name + suffix)
