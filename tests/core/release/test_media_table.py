"""Media in Parquet: a reader takes one file without the others, and no row group is larger than readers take."""

import io
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import av
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.released import make_video

from slurm.errors import ItemError
from stages.core.release import media_table
from stages.core.release.media import Item
from stages.core.release.media_table import Entry, Layout, write_media_table

SCHEMA = pa.schema([pa.field("mp4", pa.binary(), nullable=False), pa.field("title", pa.string())])


def written(folder: Path, files: Sequence[Path], group_bytes: float = 1e8) -> tuple[Path, list[Any]]:
    """The file with these, and what became of each."""
    entries = [Entry(Item(file.stem, str(file), None), {"title": file.stem}, 10) for file in files]
    path = folder / "0.parquet"
    placed = write_media_table(path, path.name, Layout(SCHEMA, "mp4", group_bytes), entries)
    return path, [one.place for one in placed]


def made(folder: Path, *sizes: int) -> list[Path]:
    folder.mkdir(exist_ok=True)
    contents = random.Random(len(sizes))
    files = [folder / f"v{number}.mp4" for number in range(len(sizes))]
    for file, size in zip(files, sizes, strict=True):
        file.write_bytes(contents.randbytes(size))
    return files


class Counted(io.RawIOBase):
    """A span of a file as a file; counts the bytes that are read."""

    def __init__(self, path: Path, first: int, length: int) -> None:
        self.raw, self.first, self.length, self.read_bytes = path.open("rb"), first, length, 0
        self.raw.seek(first)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self.raw.tell() - self.first

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        begin = {io.SEEK_SET: 0, io.SEEK_CUR: self.tell(), io.SEEK_END: self.length}[whence]
        return self.raw.seek(self.first + begin + offset) - self.first

    def readinto(self, buffer: Any) -> int:
        got = self.raw.readinto(memoryview(buffer)[: max(0, self.length - self.tell())])
        self.read_bytes += got
        return int(got)


def test_one_video_is_decoded_out_of_the_file_and_little_else_is_read(tmp_path: Path) -> None:
    files = [make_video(tmp_path / f"v{n}.mp4", 4.0, noise=40, size="640x360") for n in range(3)]
    path, places = written(tmp_path, files)
    size = files[1].stat().st_size
    assert size > 1 << 20
    counted = Counted(path, places[1]["offset"], places[1]["bytes"])
    with av.open(counted, "r") as inside, av.open(str(files[1]), "r") as alone:
        pairs = list(zip(inside.decode(video=0), alone.decode(video=0), strict=True))
    assert len(pairs) == 40
    assert all((a.to_ndarray() == b.to_ndarray()).all() for a, b in pairs)
    assert counted.read_bytes <= size + 1_000_000
    counted = Counted(path, 0, path.stat().st_size)  # a reader that knows nothing of the index
    batches = pq.ParquetFile(counted, buffer_size=1 << 16, pre_buffer=False).iter_batches(1, columns=["mp4"])
    assert next(batches)["mp4"][0].as_py() == files[0].read_bytes()
    assert counted.read_bytes <= files[0].stat().st_size + 1_000_000


SIZES = {"mixed": [5, 1, 70_000, 3, 65_536, 2_000_000, 9], "small": [1] * 300, "large": [3_000_000] * 3}


@pytest.mark.parametrize("sizes", SIZES.values(), ids=SIZES)
def test_the_index_names_the_place_of_every_value(tmp_path: Path, sizes: list[int]) -> None:
    files = made(tmp_path / "in", *sizes)
    path, places = written(tmp_path, files, 4e6)
    assert [place["id"] for place in places] == [file.stem for file in files]
    whole, content = pq.ParquetFile(path), path.read_bytes()
    for file, place in zip(files, places, strict=True):
        assert content[place["offset"] : place["offset"] + place["bytes"]] == file.read_bytes()
        cell = whole.read_row_group(place["row_group"], columns=["mp4"])["mp4"][place["row"]]
        assert cell.as_py() == file.read_bytes()
    assert pl.read_parquet(path)["mp4"].to_list() == [file.read_bytes() for file in files]
    assert pq.read_table(path)["title"].to_pylist() == [file.stem for file in files]


def test_media_are_plain_and_not_packed_and_all_else_is(tmp_path: Path) -> None:
    path, _ = written(tmp_path, made(tmp_path / "in", 100_000, 100_000))
    media, title = (pq.read_metadata(path).row_group(0).column(number) for number in (0, 1))
    assert (media.compression, media.has_dictionary_page, set(media.encodings)) == (
        "UNCOMPRESSED",
        False,
        {"PLAIN", "RLE"},
    )
    assert title.compression == "ZSTD"
    assert str(pq.read_schema(path).field("mp4").type) == "binary"


def test_row_groups_hold_so_many_bytes_and_a_larger_file_one_of_its_own(tmp_path: Path) -> None:
    path, _ = written(tmp_path, made(tmp_path / "in", 400, 400, 400, 2000, 100, 100), 1000)
    metadata = pq.read_metadata(path)
    assert [metadata.row_group(n).num_rows for n in range(metadata.num_row_groups)] == [2, 1, 1, 2]


def test_a_file_that_no_reader_would_take_fails_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(media_table, "MOST_BYTES", 1000)
    path, places = written(tmp_path, made(tmp_path / "in", 400, 991, 400), 900)
    assert isinstance(places[1], ItemError)
    assert (places[1].code, "format=webdataset" in places[1].detail) == ("too_large", True)
    assert pq.read_metadata(path).num_rows == 2
    assert written(tmp_path, made(tmp_path / "in", 990))[1][0]["bytes"] == 990


def test_what_cannot_be_read_leaves_no_hole(tmp_path: Path) -> None:
    files = made(tmp_path / "in", 100, 200, 300)
    files[1].unlink()
    path, places = written(tmp_path, files)
    assert [place.code if isinstance(place, ItemError) else place["row"] for place in places] == [0, "missing", 1]
    assert pq.read_table(path)["mp4"].to_pylist() == [files[0].read_bytes(), files[2].read_bytes()]
