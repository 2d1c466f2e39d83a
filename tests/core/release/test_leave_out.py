"""A shard without some of its rows is, byte for byte, the one that would have been made without them."""

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml
from pydantic import TypeAdapter
from support.released import NAMES, annotation, bytes_of, make_videos

from slurm.errors import InputError
from slurm.removals import staged_of
from stages.core.release.formats import FORMATS
from stages.core.release.lvd2m import split_lines
from stages.core.release.media import Item
from stages.core.release.settings import Format
from stages.core.release.shards import Shard

ROOT = Path(__file__).parents[3]
GONE = {NAMES[0], NAMES[3], NAMES[7]}


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return make_videos(tmp_path_factory.mktemp("videos"))


def options_of(name: str) -> Any:
    values = yaml.safe_load((ROOT / "conf" / "format" / f"{name}.yaml").read_text())
    values |= {"finevideo": {"row_group_mb": 0.1}, "trainer": {"buckets": ["64x32x9"]}}.get(name, {})
    return TypeAdapter(Format).validate_python(values)


def pack(folder: Path, name: str, videos: dict[str, Path]) -> Shard:
    shard = Shard(folder, 0, 1, FORMATS[name].SUFFIX)
    items = [Item(key, None if name == "lvd2m" else str(file), file.stat().st_size) for key, file in videos.items()]
    rows = [
        {
            "clip_id": key,
            "video_id": key,
            "start_s": 0.1,
            "end_s": 1.0,
            "title": f'A "title",\nof {key}: 例',
            "raw_caption": f'one\r\n"{key}"',
            "flow": 1 / (number + 3),
            "tags": ["a", ""],
            "content_metadata": json.dumps(annotation(key)),
        }
        for number, key in enumerate(NAMES)
    ]
    table = pl.DataFrame(rows).filter(pl.col("video_id").is_in(list(videos)))
    results = FORMATS[name].pack(shard, items, table, options_of(name))
    assert all(isinstance(result, dict) for result in results)
    return shard


@pytest.mark.parametrize("name", FORMATS)
def test_it_is_the_shard_that_would_have_been_made(tmp_path: Path, videos: dict[str, Path], name: str) -> None:
    shard = pack(tmp_path / "all", name, videos)
    before = bytes_of(tmp_path / "all")
    ready, unneeded = FORMATS[name].leave_out(shard, GONE, options_of(name))
    assert before.items() <= bytes_of(tmp_path / "all").items()  # nothing is changed yet
    for staged, path in ready:
        assert staged == staged_of(path)
        staged.replace(path)
    for path in unneeded:
        path.unlink()
    pack(tmp_path / "rest", name, {key: file for key, file in videos.items() if key not in GONE})
    assert bytes_of(tmp_path / "all") == bytes_of(tmp_path / "rest")


@pytest.mark.parametrize("name", ["finevideo", "webdataset", "lvd2m"])
def test_of_a_shard_of_which_all_goes_nothing_is_left(tmp_path: Path, videos: dict[str, Path], name: str) -> None:
    shard = pack(tmp_path, name, videos)
    ready, unneeded = FORMATS[name].leave_out(shard, set(NAMES), options_of(name))
    assert ready == []
    for path in unneeded:
        path.unlink()
    assert bytes_of(tmp_path) == {}


@pytest.mark.parametrize("name", ["finevideo", "webdataset", "lvd2m"])
def test_a_shard_that_was_changed_is_refused(tmp_path: Path, videos: dict[str, Path], name: str) -> None:
    shard = pack(tmp_path, name, videos)
    content = bytearray(shard.path.read_bytes())
    if name == "lvd2m":
        content += b"one,more\n"
    else:
        content[content.find(videos[NAMES[2]].read_bytes()) + 999] ^= 1
    shard.path.write_bytes(content)
    with pytest.raises(InputError, match="is not as it was written"):
        FORMATS[name].leave_out(shard, GONE, options_of(name))
    assert not list(tmp_path.rglob("*.tmp"))


def test_lines_end_where_no_quote_is_open() -> None:
    lines = [b"a,b\n", b'"x\ny",1\n', b'"he said ""no\n""",2\n', b"z,3\n"]
    assert split_lines(b"".join(lines)) == lines


def test_every_format_can_leave_rows_out() -> None:
    assert {name for name, form in FORMATS.items() if not hasattr(form, "leave_out")} == set()
