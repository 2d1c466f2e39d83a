"""CSV as LVD-2M's: what was read is given back, and what was made here is written as it writes it."""

import csv
from pathlib import Path
from typing import Any

import polars as pl

from stages.core.release.lvd2m import pack
from stages.core.release.media import Item
from stages.core.release.settings import Lvd2m
from stages.core.release.shards import Shard

MADE = {"clip_id": "v_40_80", "video_id": "v", "start_s": 80.88, "end_s": 93.983, "start_frame": 40, "end_frame": 80}


def lines(folder: Path, *rows: dict[str, Any]) -> list[dict[str, str]]:
    table = pl.DataFrame([*rows], infer_schema_length=None)
    pack(Shard(folder, 0, 0, ".csv"), [Item(row["clip_id"], None, None) for row in rows], table, Lvd2m("lvd2m", None))
    with (folder / "data" / "000" / "train-000000-0000.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_clip_that_was_made_here_has_a_line_as_they_write_it(tmp_path: Path) -> None:
    text = 'Caption 1: a "dog",\nruns Caption 2: 例\0'
    (line,) = lines(tmp_path, {**MADE, "raw_caption": text, "flow": 21.5, "source": "folder", "url": "https://x/v"})
    assert line == {
        "raw_caption": text.rstrip("\0"),
        "refined_caption": "",
        "rewritten_caption": "",
        "key": "v.40_80",
        "video_id": "v",
        "url": "https://x/v",
        "dataset_src": "folder",
        "orig_caption": "",
        "total score": "21.5",
        "span": "['0:01:20.880', '0:01:33.983']",
        "video_time": "13.103",
        "orig_span": "",
        "scene_cut": "",
    }


def test_a_clip_that_was_read_keeps_its_key_its_times_and_its_longer_clip(tmp_path: Path) -> None:
    read = {**MADE, "span_id": "v.66_3", "span_source": "hdvg", "score": 3.0, "scene_cut": [240, 600], "fps": 25.0}
    longer = {
        "orig_start_s": 3660.0,
        "orig_end_s": 3700.0,
        "span_start_s": 80.89,
        "span_end_s": 94.0,
        "source": "lvd2m",
    }
    (line,) = lines(tmp_path, {**read, **longer, "source": "lvd2m"})
    assert (line["key"], line["dataset_src"], line["total score"]) == ("v.66_3", "hdvg", "3.0")
    assert (line["span"], line["video_time"]) == ("['0:01:20.890', '0:01:34.000']", "13.11")
    assert (line["orig_span"], line["scene_cut"]) == ("['1:01:00.000', '1:01:40.000']", "[240, 600]")


def test_a_clip_that_was_trimmed_has_the_times_that_it_has_now_in_the_whole_video(tmp_path: Path) -> None:
    of_span = {"span_id": "v_1", "span_start_s": 90.0, "span_end_s": 110.0, "fps": 25.0, "offset_s": 10.0}
    (line,) = lines(tmp_path, {**MADE, **of_span})
    assert (line["span"], line["video_time"]) == ("['0:01:30.880', '0:01:43.983']", "13.103")
