"""Zip files for tests, as many writers make them; and a client for a local server."""

import io
import random
import zipfile
from pathlib import Path

from stages.core.fetch.session import Session
from stages.core.fetch.settings import Access, Pace
from stages.core.fetch.web.http import HttpClient


def make_client(folder: Path) -> HttpClient:
    """A client without a rate limit that retries lost connections at once."""
    session = Session(folder, Pace(None, (0, 0), (0.01, 0.02), 1), Access(None, None, None))
    return HttpClient(session, stall_s=5, connections=8, back_off_s=0.001)


def noise(number: int, size: int) -> bytes:
    """Bytes that do not shrink, the same for the same number."""
    return random.Random(number).randbytes(size)


def packed(
    members: dict[str, bytes], method: int = zipfile.ZIP_STORED, extra: bytes = b"", comment: bytes = b""
) -> bytes:
    """A zip file; `extra` is what each member's header has besides."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.comment = comment
        for name, content in members.items():
            info = zipfile.ZipInfo(name)
            info.compress_type, info.extra = method, extra
            archive.writestr(info, content)
    return out.getvalue()


def cut(content: bytes, *at: int) -> dict[str, bytes]:
    """The content as x_partaa, x_partab, …, cut at these bytes, counted from the end where they are negative."""
    borders = sorted(place % len(content) for place in at)
    pieces = zip([0, *borders], [*borders, len(content)], strict=True)
    return {f"x_parta{letter}": content[start:end] for letter, (start, end) in zip("abcdefgh", pieces, strict=False)}
