"""Clips as video-dataset-scripts gives them: columns by its names, files beside them, nothing of another clip."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from support.released import bytes_of, make_video

from slurm.errors import ItemError
from stages.core.release.clips import ROW, close, leave_out, pack
from stages.core.release.media import Item
from stages.core.release.settings import Clips
from stages.core.release.shards import Shard

OPTIONS = Clips("clips", "clip_path")
KNOWN: dict[str, Any] = {
    "video_id": "v",
    "start_s": 1.5,
    "end_s": 2.5,
    "motion": [0.1, None, 0.3],
    "time_s": [1.5, 1.9, 2.4],
    "key_frames.time_s": [1.5, 2.4],
    "key_frames.jpeg": [b"first", b"last"],
    "caption": ["a dog", "a cat", None],
    "regions": [[{"label": "dog", "box": [1, 2, 30, 40]}], [], None],
    "texts": [[{"text": "SALE", "corners": [0, 0, 9, 0, 9, 9, 0, 9], "confidence": None}], [], None],
    "watermark": [0.25, 0.5, 0.75],
    "aesthetic": [5.0, 4.5, 4.0],
    "nsfw": [0.1, 0.9, 0.5],
    "color": ["Warm", "Cool", "Cool"],
}


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_video(tmp_path_factory.mktemp("videos") / "one.mp4")


def packed(folder: Path, videos: dict[str, Path], *rows: dict[str, Any], number: int = 0) -> list[Any]:
    items = [Item(name, str(file), None) for name, file in videos.items()]
    table = pl.DataFrame([{"clip_id": name, **row} for name, row in zip(videos, rows, strict=True)])
    return pack(Shard(folder, 3, number, ".parquet"), items, table, OPTIONS)


def read(folder: Path) -> pl.DataFrame:
    return pl.read_parquet(folder / "data" / "000" / "train-000003-0000.parquet")


def test_a_clip_has_the_columns_of_video_dataset_scripts_and_its_files_beside_it(tmp_path: Path, video: Path) -> None:
    (place,) = packed(tmp_path, {"v_1.5-2.5": video}, KNOWN)
    table = read(tmp_path)
    assert dict(table.schema) == ROW
    (row,) = table.to_dicts()
    assert (tmp_path / row["file"]).read_bytes() == video.read_bytes()
    assert row["file"].startswith("clips/000/000003/v-1-5-2-5-")
    first, between, last = row["frames"]
    assert between is None, "it was looked at, and no picture of it was kept"
    assert [(tmp_path / name).read_bytes() for name in (first, last)] == [b"first", b"last"]
    assert row["caption"] == KNOWN["caption"]
    assert row["region_caption"] == [
        {"bboxes": [[1, 2, 30, 40]], "labels": ["dog"]}, {"bboxes": [], "labels": []}, None
    ]  # fmt: skip
    assert row["ocr"][0] == {"quad_boxes": [[0, 0, 9, 0, 9, 9, 0, 9]], "labels": ["SALE"]}
    assert (row["pwatermark"], row["aesthetic_score"]) == (KNOWN["watermark"], KNOWN["aesthetic"])
    assert row["nsfw_status"] == ["normal", "nsfw", "normal"]
    assert row["nsfw_probability"] == KNOWN["nsfw"]
    assert row["motion"] == pytest.approx(0.2)
    assert (row["color"], row["lighting"]) == (KNOWN["color"], None)
    assert (row["id"], row["video_id"], row["start_s"]) == ("v_1.5-2.5", "v", 1.5)
    assert place["bytes"] == video.stat().st_size


def test_what_the_run_has_not_is_null(tmp_path: Path, video: Path) -> None:
    packed(tmp_path, {"a": video}, {"video_id": "v"})
    (row,) = read(tmp_path).to_dicts()
    assert {name for name, value in row.items() if value is not None} == {"id", "video_id", "file"}


def test_a_clip_that_is_gone_costs_no_other_and_leaves_nothing(tmp_path: Path, video: Path) -> None:
    gone = tmp_path / "gone.mp4"
    results = packed(tmp_path, {"a": video, "b": gone, "c": video}, *[{**KNOWN, "video_id": v} for v in "xyz"])
    assert [isinstance(result, ItemError) and result.code for result in results] == [False, "missing", False]
    table = read(tmp_path)
    assert table.select("id", "video_id").rows() == [("a", "x"), ("c", "z")]
    assert [result["row"] for result in results if isinstance(result, dict)] == [0, 1]


def test_files_that_no_row_names_any_more_are_removed_as_the_chunk_is_closed(tmp_path: Path, video: Path) -> None:
    packed(tmp_path, {"a": video, "b": video}, KNOWN, KNOWN)
    packed(tmp_path, {"c": video}, KNOWN, number=1)
    packed(tmp_path, {"a": video, "b": tmp_path / "gone.mp4"}, KNOWN, KNOWN)
    close(tmp_path, 3, 9, OPTIONS)
    assert [path.name for path in sorted((tmp_path / "clips").rglob("*.mp4"))] == ["a.mp4", "c.mp4"]
    assert len([*(tmp_path / "frames").rglob("*.jpg")]) == 4


def test_clips_that_are_taken_out_leave_what_a_shard_without_them_has(tmp_path: Path, video: Path) -> None:
    packed(tmp_path / "a", dict.fromkeys("abc", video), KNOWN, KNOWN, KNOWN)
    packed(tmp_path / "b", dict.fromkeys("ac", video), KNOWN, KNOWN)
    for gone in ({"b"}, {"a", "c"}):
        ready, unneeded = leave_out(Shard(tmp_path / "a", 3, 0, ".parquet"), gone, OPTIONS)
        for staged, path in ready:
            staged.replace(path)
        for path in unneeded:
            path.unlink()
        assert bytes_of(tmp_path / "a") == (bytes_of(tmp_path / "b") if gone == {"b"} else {})
