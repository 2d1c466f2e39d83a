"""Clips of the spans that a catalogue names: its captions beside them, held against the borders that analyze found."""

from pathlib import Path

import polars as pl
import pytest
from support.runs import command
from support.steps import finish, made_step

from slurm.record.manifest import Step
from slurm.table import read_table
from stages.core.schema.catalogue import SPANS
from stages.core.schema.clip import CLIP, OF_SPAN
from stages.core.schema.second import SIGNALS
from stages.core.schema.types import Schema
from stages.core.schema.video import CHANGES, SHOTS, TIMES

SIDES: dict[str, Schema] = {"shots": SHOTS, "changes": CHANGES, "times": TIMES, "signals": SIGNALS}
NAMED = [  # in the whole video, of which the file of `part` begins at 60 s
    ("part", "part_0", 61.0, 65.0),  # within a shot
    ("part", "part_1", 63.0, 71.0),  # with the cut at 68 s
    ("part", "part_2", 62.0, 63.0),  # too short
    ("part", "part_3", 90.0, 99.0),  # behind the end of the file
    ("part", "part_4", 70.0, 81.5),  # most of it is in the file
    ("whole", "a", 0.0, 4.0),
]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Videos of 20 s at 25 fps with a cut at 8 s: `part`, of which the file begins at 60 s, `whole` and `bare`."""
    root, empty = tmp_path / "r", pl.lit(None, pl.String)
    videos = pl.DataFrame({"video_id": ["part", "whole", "bare"], "offset_s": [60.0, None, None]})
    videos = videos.with_columns(path=pl.format("{}.mp4", "video_id"), fps=25.0, error=empty, error_detail=empty)
    ids = dict.fromkeys(["video_id", "error", "error_detail"], "String")
    ingest = made_step(root, "ingest", kind="reduce", n=1, item_keys=[], gives=ids, tables={"spans": {}})
    rows = [
        {"video_id": video, "span_id": span, "source": "hdvg", "start_s": start, "end_s": end, "score": 20.5,
         "refined_caption": f"of {span}", "scene_cut": [0, -1]}
        for video, span, start, end in NAMED
    ]  # fmt: skip
    finish(ingest, 0, videos.select(*ids), spans=pl.DataFrame(rows, schema=SPANS))
    given = {**ids, "path": "String", "offset_s": "Float64"}
    fetched = made_step(root, "download", n=1, gives=given, inputs=["ingest"])
    finish(fetched, 0, videos.select(*given))
    given = {**ids, "fps": "Float64"}
    sides: dict[str, dict[str, str]] = {name: {} for name in SIDES}
    analyzed = made_step(root, "analyze", stage="analyze", n=1, gives=given, tables=sides, inputs=["download"])
    of_each = pl.DataFrame({"video_id": videos["video_id"]})
    shots = of_each.join(
        pl.DataFrame({"shot": [0, 1], "start_frame": [0, 200], "end_frame": [200, 500]}).with_columns(
            start_s=pl.col("start_frame") / 25, end_s=pl.col("end_frame") / 25
        ),
        how="cross",
    )
    changes = of_each.with_columns(
        kind=pl.lit("cut"), start_frame=200, end_frame=200, start_s=8.0, end_s=8.0, score=0.9, taken=True
    )
    finish(
        analyzed,
        0,
        videos.select(*given),
        shots=pl.concat([shots, pl.DataFrame(schema=SHOTS)], how="diagonal_relaxed").select(*SHOTS),
        changes=changes.select(pl.col(name).cast(kind) for name, kind in CHANGES.items()),
        times=pl.DataFrame(schema=TIMES),
        signals=pl.DataFrame(schema=SIGNALS),
    )
    return root


def split(run: Path, *words: str) -> pl.DataFrame:
    done = command("stages.split", f"runs={run.parent}", f"run={run.name}", "borders=spans", "min_s=2", *words)
    assert done.returncode == 0, done.stdout + done.stderr
    return read_table(run, "split").collect()


def spans(rows: pl.DataFrame) -> list[tuple[object, ...]]:
    return rows.select("clip_id", "start_frame", "end_frame", "drop_reason").rows()


def test_a_clip_is_made_of_each_span_in_the_time_of_its_file(run: Path) -> None:
    rows = split(run)
    assert rows.columns == [*CLIP, *OF_SPAN, "error", "error_detail"]
    assert spans(rows.filter(pl.col("error").is_null())) == [
        ("part_0", 25, 125, None),
        ("part_2", 50, 75, "too_short"),
        ("part_1", 75, 275, None),
        ("part_4", 250, 500, "outside"),
        ("part_3", 500, 500, "outside"),
        ("whole.a", 0, 100, None),
    ]
    first, parted = rows.row(0, named=True), rows.row(2, named=True)
    assert (first["refined_caption"], first["score"], first["scene_cut"]) == ("of part_0", 20.5, [0, -1])
    assert (first["span_source"], first["span_start_s"], first["span_end_s"]) == ("hdvg", 61.0, 65.0)
    assert (first["start_s"], first["end_s"], first["fps"], first["border_inside"]) == (1.0, 5.0, 25.0, False)
    assert (parted["border_inside"], parted["cut_score_max"]) == (True, 0.9)


def test_a_video_without_spans_fails_and_says_so(run: Path) -> None:
    (row,) = split(run).filter(pl.col("error").is_not_null()).to_dicts()
    assert (row["video_id"], row["clip_id"], row["error"]) == ("bare", None, "no_spans")


@pytest.mark.parametrize(
    ("inside", "parted"),
    [("trim", ("part_1", 75, 200, None)), ("drop", ("part_1", 75, 275, "cut_inside"))],
)
def test_a_span_with_a_cut_inside_is_trimmed_or_dropped_on_request(
    run: Path, inside: str, parted: tuple[object, ...]
) -> None:
    rows = split(run, f"spans.cut_inside={inside}")
    assert spans(rows.filter(clip_id="part_1")) == [parted]
    assert spans(rows.filter(clip_id="part_0")) == [("part_0", 25, 125, None)]


def test_shots_have_no_columns_of_spans(run: Path) -> None:
    done = command("stages.split", f"runs={run.parent}", f"run={run.name}")
    assert done.returncode == 0, done.stdout + done.stderr
    assert Step(run, "split").plan.gives.keys().isdisjoint(OF_SPAN)
    assert len(read_table(run, "split").collect()) == 6


def test_another_word_than_spans_is_refused(run: Path) -> None:
    done = command("stages.split", f"runs={run.parent}", f"run={run.name}", "borders=shots")
    assert done.returncode == 2
    assert "borders" in done.stderr
    assert "spans" in done.stderr
