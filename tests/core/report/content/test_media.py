"""What the videos of a run are, counted."""

from collections.abc import Callable, Mapping

import polars as pl

from slurm.record.manifest import Step
from stages.core.report.content.media import describe_media

Make = Callable[..., Step]

VIDEO = {
    "codec": "h264",
    "width_px": 1920,
    "height_px": 1080,
    "fps": 30000 / 1001,
    "duration_s": 12.0,
    "has_audio": True,
    "decode_errors": 0,
    "coverage": 1.0,
    "error": None,
}


def told(make: Make, *changes: Mapping[str, object]) -> dict[str, list[tuple[str, int]]]:
    rows = [{"video_id": f"v{n}", **VIDEO, **change} for n, change in enumerate(changes)]
    found = describe_media(make("analyze", pl.DataFrame(rows, schema_overrides={"error": pl.String})))
    assert found is not None
    assert found.videos == sum(change.get("error") is None for change in changes)
    return found.tables


def test_good_videos_are_counted_by_codec_size_rate_length_sound_and_whether_they_are_torn(make: Make) -> None:
    found = told(
        make,
        {},
        {"codec": "av1", "duration_s": 7200.0, "decode_errors": 3},
        {"width_px": 640, "height_px": 360, "duration_s": 9.9, "has_audio": False, "coverage": 0.94},
        {"error": "corrupt"},
    )
    assert found == {
        "codec": [("h264", 2), ("av1", 1)],
        "size": [("1920 x 1080", 2), ("640 x 360", 1)],
        "frames a second": [("29.97", 3)],
        "length": [("under 10 s", 1), ("10 s to 1 min", 1), ("over 1 h", 1)],
        "sound": [("with sound", 2), ("without", 1)],
        "read": [("torn: not to its end", 1), ("whole", 1), ("with decode errors", 1)],
    }


def test_torn_videos_are_listed_with_their_paths_and_what_they_lack(make: Make) -> None:
    videos = ["v0", "v1", "v2", "v3"]
    about = {"video_id": videos, "path": [f"/data/{video}.mp4" for video in videos]}
    make("ingest", pl.DataFrame(about), kind="reduce", item_keys=[])
    changes: list[dict[str, object]] = [{"decode_errors": 3}, {}, {"coverage": 0.94, "decode_errors": 23}]
    changes.append({"coverage": None, "has_audio": None})
    rows = [{"video_id": video, **VIDEO, **change} for video, change in zip(videos, changes, strict=True)]
    found = describe_media(make("analyze", pl.DataFrame(rows, schema_overrides={"error": pl.String}), ("ingest",)))
    assert found is not None
    assert found.torn == [("v2", "/data/v2.mp4", 23, 0.94), ("v0", "/data/v0.mp4", 3, 1.0)]
    assert found.torn_in_all == 2
    assert found.tables["sound"] == [("with sound", 3), ("unknown", 1)]


def test_hdr_is_counted_where_the_step_tells_it(make: Make) -> None:
    found = told(make, {"transfer": "smpte2084"}, {"transfer": "bt709"}, {"transfer": None})
    assert found["light"] == [("SDR, or not declared", 2), ("HDR (PQ)", 1)]


def test_of_many_values_the_rare_ones_are_one_line(make: Make) -> None:
    found = told(make, *({"width_px": 100 + n} for n in range(10)), {"width_px": 100})
    assert found["size"][0] == ("100 x 1080", 2)
    assert found["size"][-1] == ("5 others", 5)
    assert len(found["size"]) == 6


def test_what_is_not_known_is_said(make: Make) -> None:
    assert told(make, {"duration_s": None, "fps": None})["length"] == [("unknown", 1)]


def test_a_step_that_tells_nothing_of_videos_has_no_such_table(make: Make) -> None:
    assert describe_media(make("split", pl.DataFrame({"clip_id": ["c"], "video_id": ["v"]}))) is None
    assert describe_media(make("analyze", pl.DataFrame([{"video_id": "v", **VIDEO, "error": "empty"}]))) is None
