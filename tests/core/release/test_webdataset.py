"""Tar shards: samples as readers part them, whatever ids are; the same is known in Parquet beside them."""

import json
import random
import tarfile
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from slurm.errors import ItemError
from stages.core.release.media import Item
from stages.core.release.settings import WebDataset
from stages.core.release.shards import Shard
from stages.core.release.webdataset import key_of, pack

ALL = WebDataset("webdataset", "clip_path", columns=None, caption_column=None)
IDS = ["plain_1-2", "vid_0.5-2.0", "vid_0.9-2.0", "a/b c", "例"]


def items_of(folder: Path, ids: list[str] = IDS) -> list[Item]:
    contents = random.Random(1)
    found = []
    for number, name in enumerate(ids):
        file = folder / f"{number}.mp4"
        file.write_bytes(contents.randbytes(100 + 700 * number))
        found.append(Item(name, str(file), file.stat().st_size))
    return found


def table_of(ids: list[str] = IDS, **columns: list[Any]) -> pl.DataFrame:
    return pl.DataFrame({"clip_id": ids, "video_id": ["v"] * len(ids), **columns})


def packed(folder: Path, items: list[Item], table: pl.DataFrame, options: WebDataset = ALL) -> list[Any]:
    return pack(Shard(folder / "out", 0, 0, ".tar"), items, table, options)


def samples(folder: Path) -> dict[str, dict[str, bytes]]:
    """The samples of the shard as readers part them: by what stands before the first dot, side by side."""
    found: dict[str, dict[str, bytes]] = {}
    last = ""
    with tarfile.open(folder / "out" / "data" / "000" / "train-000000-0000.tar") as shard:
        for member in shard:
            key, _, kind = member.name.partition(".")
            assert key == last or key not in found
            content = shard.extractfile(member)
            assert content is not None
            found.setdefault(key, {})[kind] = content.read()
            last = key
    return found


def test_every_row_is_a_sample_of_its_own_with_all_that_is_known_of_it(tmp_path: Path) -> None:
    items = items_of(tmp_path)
    captions = ["A dog.", None, "Ein Hünd 🐕", "", "x\0y"]
    days = [date(2024, 1, 31), None, None, None, None]
    more: dict[str, list[Any]] = {
        "rewritten_caption": captions,
        "flow": [1.5, float("nan"), float("inf"), None, 0.0],
        "upload_date": days,
    }
    table = table_of(**more, title=['"quoted"', "a\nb", "\0", None, "例"], other=[1] * 5)
    packed(tmp_path, items, table)
    found = samples(tmp_path)
    assert list(found) == [key_of(name) for name in IDS]
    assert [sample["mp4"] for sample in found.values()] == [Path(str(item.address)).read_bytes() for item in items]
    assert [sample.get("txt", b"none").decode() for sample in found.values()] == [
        c if c is not None else "none" for c in captions
    ]
    told = [json.loads(sample["json"]) for sample in found.values()]
    assert [row["clip_id"] for row in told] == IDS
    assert [row["flow"] for row in told] == [1.5, None, None, None, 0.0]
    assert told[0]["upload_date"] == "2024-01-31"
    assert [row["title"] for row in told] == table["title"].to_list()
    assert "other" not in told[0]


def test_keys_have_no_dots_and_no_two_ids_share_one() -> None:
    odd = [*IDS, "a.b", "a_b", "a-b", "a b", "A.B", ".", "..", "a/b", "x" * 300, "y" * 81, "", "ab.mp4"]
    keys = [key_of(name) for name in odd]
    assert len(set(keys)) == len(odd)
    assert all(key and not set(key) & set("./ ") and len(key) <= 80 for key in keys)
    assert key_of("abc_DEF-1") == "abc_DEF-1"


def test_the_index_leads_to_each_file_and_sample(tmp_path: Path) -> None:
    items = items_of(tmp_path)
    places = packed(tmp_path, items, table_of())
    index = pl.read_parquet(tmp_path / "out" / "index" / "000" / "000000-0000.parquet")
    assert index.to_dicts() == places
    for item, place in zip(items, places, strict=True):
        with (tmp_path / "out" / place["file"]).open("rb") as file:
            file.seek(place["offset"])
            assert file.read(place["bytes"]) == Path(str(item.address)).read_bytes()
            file.seek(place["sample_offset"])
            with tarfile.open(fileobj=file, mode="r|") as rest:
                first = rest.next()
        assert first is not None
        assert first.name == f"{place['key']}.mp4"


def test_what_is_known_is_in_parquet_beside_the_shard_too(tmp_path: Path) -> None:
    table = table_of(title=["a", "b", None, "d", "e"], scene_cut=[[1, 2], [], None, [3], [4]])
    packed(tmp_path, items_of(tmp_path), table, WebDataset("webdataset", "clip_path", ["title", "scene_cut"], None))
    beside = pl.read_parquet(tmp_path / "out" / "metadata" / "000" / "000000-0000.parquet")
    assert beside["key"].to_list() == [key_of(name) for name in IDS]
    assert beside.drop("key", "file").equals(table)
    assert [json.loads(sample["json"]) for sample in samples(tmp_path).values()] == table.to_dicts()


def test_a_file_that_turns_out_another_one_leaves_nothing_of_its_sample(tmp_path: Path) -> None:
    items, shard = items_of(tmp_path), tmp_path / "out" / "data" / "000" / "train-000000-0000.tar"
    good = [number for number in range(5) if number not in (2, 4)]
    packed(tmp_path, [items[number] for number in good], table_of([IDS[number] for number in good], title=list("abd")))
    without = shard.read_bytes()
    for number in (2, 4):
        items[number] = items[number]._replace(sha256="0" * 64)  # told only when all of it was written
    results = packed(tmp_path, items, table_of(title=list("abcde")))
    codes = [result.code if isinstance(result, ItemError) else "" for result in results]
    assert codes == ["", "", "changed", "", "changed"]
    assert shard.read_bytes() == without
    beside = pl.read_parquet(tmp_path / "out" / "metadata" / "000" / "000000-0000.parquet")
    assert beside["title"].to_list() == list("abd")


def test_the_bytes_say_nothing_of_when_and_by_whom(tmp_path: Path) -> None:
    items = items_of(tmp_path)
    shard = tmp_path / "out" / "data" / "000" / "train-000000-0000.tar"
    packed(tmp_path, items, table_of())
    before = shard.read_bytes()
    for item in items:
        Path(str(item.address)).touch()
    packed(tmp_path, items, table_of())
    assert shard.read_bytes() == before
    with tarfile.open(shard) as opened:
        assert {(member.mtime, member.uid, member.uname) for member in opened} == {(0, 0, "")}


@pytest.mark.parametrize(("column", "told"), [(None, ["c", "a", "b"]), ("raw_caption", ["a", "a", "a"])])
def test_the_caption_is_the_last_that_was_made_or_the_one_that_is_asked_for(
    tmp_path: Path, column: str | None, told: list[str]
) -> None:
    captions: dict[str, list[Any]] = {"raw_caption": ["a"] * 3, "refined_caption": [None, None, "b"]}
    captions["rewritten_caption"] = ["c", None, None]
    options = WebDataset("webdataset", "clip_path", columns=None, caption_column=column)
    packed(tmp_path, items_of(tmp_path, IDS[:3]), table_of(IDS[:3], **captions), options)
    assert [sample["txt"].decode() for sample in samples(tmp_path).values()] == told


def test_a_file_that_has_another_size_than_was_measured_costs_its_row_alone(tmp_path: Path) -> None:
    items = items_of(tmp_path)
    Path(str(items[1].address)).write_bytes(b"longer" * 999)
    results = packed(tmp_path, items, table_of())
    assert [result.code for result in results if isinstance(result, ItemError)] == ["changed"]
    assert list(samples(tmp_path)) == [key_of(name) for name in IDS if name != IDS[1]]
