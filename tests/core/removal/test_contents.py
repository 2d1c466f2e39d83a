"""What is packed is read: files in files, columns, members; and what is torn is told."""

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest

from stages.core.removal.contents import BLOCK_BYTES, TornError, pieces_of
from stages.core.removal.mentions import Mentions
from stages.core.removal.proof import in_file

NAME = "birchforest"
PLAIN = f'{{"id": "{NAME}"}}\n'.encode() + bytes(300)


def zst(content: bytes) -> bytes:
    out = pa.BufferOutputStream()
    with pa.CompressedOutputStream(out, "zstd") as stream:
        stream.write(content)
    return bytes(out.getvalue())


def tarred(content: bytes) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        member = tarfile.TarInfo("member")
        member.size = len(content)
        tar.addfile(member, io.BytesIO(content))
    return out.getvalue()


def zipped(content: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("member", content)
    return out.getvalue()


def table(content: bytes) -> bytes:
    out = io.BytesIO()
    rows = {"n": range(3000), "info": [b"x"] * 2999 + [content], "tags": [[{"t": "a"}]] * 3000}
    pl.DataFrame(rows, schema_overrides={"info": pl.Binary()}).write_parquet(out, compression="zstd")
    return out.getvalue()


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress, "zstd": zst, "bz2": bz2.compress, "xz": lzma.compress, "tar": tarred, "zip": zipped,
    "table": table,
    "zstd in a table": lambda content: table(zst(content)),
    "gzip in tar": lambda content: tarred(gzip.compress(content)),
    "tar in gzip": lambda content: gzip.compress(tarred(gzip.compress(content))),
    "table in zip": lambda content: zipped(table(content)),
}  # fmt: skip


@pytest.mark.parametrize("kind", PACKERS)
def test_a_name_is_found_in_what_is_packed(kind: str) -> None:
    packed = PACKERS[kind](PLAIN)
    assert [what for _, what in in_file(io.BytesIO(packed), Mentions([NAME]))] == [NAME]
    assert in_file(io.BytesIO(PACKERS[kind](bytes(300))), Mentions([NAME])) == []


def test_texts_within_lists_and_structs_are_found(tmp_path: Path) -> None:
    rows = {"a": [[{"b": ["birch" * 9, f"see the {NAME}", "forest" * 9]}], None, []] * 9}
    pl.DataFrame(rows).write_parquet(tmp_path / "a.parquet", statistics=False)
    with (tmp_path / "a.parquet").open("rb") as file:
        assert in_file(file, Mentions([NAME])) == [("column a: mentions", NAME)]


def test_a_name_across_two_pieces_is_found() -> None:
    content = bytes(BLOCK_BYTES - 4) + f"/{NAME}.mp4".encode() + bytes(100)
    assert in_file(io.BytesIO(content), Mentions([NAME])) == [("bytes: mentions", NAME)]


@pytest.mark.parametrize("kind", ["gzip", "zstd", "zip", "table"])
def test_what_is_torn_is_no_proof(kind: str) -> None:
    torn = PACKERS[kind](PLAIN)[:-9]
    with pytest.raises(TornError):
        list(pieces_of(io.BytesIO(torn), 64))
    ((how, _),) = in_file(io.BytesIO(torn), Mentions(["nobody"]))
    assert how == "cannot be read:"
