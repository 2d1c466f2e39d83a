"""What is known of the rows of a release: by the steps before it, and by those beside these."""

from pathlib import Path

import polars as pl
from support.steps import plan

from slurm.record.done import Done
from slurm.record.files import write_table
from slurm.record.manifest import Step
from slurm.record.plan import fingerprint
from stages.core.card.rows import read_captions, read_rows


def make(run: Path, name: str, rows: pl.DataFrame, *inputs: str) -> Step:
    """A step that is done, with these rows."""
    step, identity = Step(run, name), {"stage": name}
    key = "clip_id" if "clip_id" in rows.columns else "video_id"
    gives = {column: str(kind) for column, kind in rows.schema.items()}
    keys = [key, "video_id"] if key == "clip_id" else [key]
    known = {"n": 1, "inputs": list(inputs), "input_chunks": dict.fromkeys(inputs, 1), "keys": keys, "gives": gives}
    step.create(plan(stage=name, item_keys=keys, identity=identity, fingerprint=fingerprint(identity), **known))
    write_table(step.paths.part("000/0.parquet"), rows)
    counts = {"rows_in": len(rows), "rows_out": len(rows), "rows_kept": len(rows), "rows_failed": 0, "errors": {}}
    spent = {"seconds": 1.0, "wasted_s": 0.0, "cpus": 1, "gpus": 0, "attempt": "a", "host": "h", "ended": 0.0}
    record = {"chunk": 0, "fingerprint": step.plan.fingerprint, "part": "000/0.parquet", "tables": []}
    step.finish(Done(**record, **counts, **spent))  # type: ignore[arg-type]
    return step


def packed(run: Path) -> Step:
    """Two clips of one video and one of another, packed behind split behind ingest."""
    videos = ["v", "aaaaaaaaaaa"]
    addresses = ["zip://m.mp4::https://site.test/a.zip", "parquet://mp4@0::/data/x.parquet"]
    about = {"title": ["One", "Two\0"], "url": addresses, "duration_s": [60.0, 70.0], "source": ["lists", "finevideo"]}
    make(run, "ingest", pl.DataFrame({"video_id": videos, **about}))
    clips = {"clip_id": ["v_0", "v_1", "a_0"], "video_id": ["v", "v", videos[1]]}
    made = {"raw_caption": ["a b", None, "c"], "refined_caption": ["d", None, None]}
    make(run, "split", pl.DataFrame({**clips, "duration_s": [1.0, 2.0, None], **made}), "ingest")
    shards = {"shard": ["s", "s", "t"], "media_bytes": [1, 2, 3], "media_sha256": ["x", "y", "z"]}
    return make(run, "package", pl.DataFrame({**clips, **shards}), "split")


def test_a_row_is_told_by_what_it_is_before_what_it_was_made_of(tmp_path: Path) -> None:
    step = packed(tmp_path / "run")
    rows = read_rows(step)
    assert rows["id"].to_list() == ["v_0", "v_1", "a_0"]
    assert rows["duration_s"].to_list() == [1.0, 2.0, 70.0]
    assert rows["title"].to_list() == ["One", "One", "Two"]
    assert rows["nul"].to_list() == [False, False, True]
    assert read_captions(rows, step, []).to_list() == ["d", None, "c"]
    assert rows["caption_words"].to_list() == [1, None, 1]
    assert rows["licence"].null_count() == 3


def test_of_addresses_only_those_of_the_web_are_told(tmp_path: Path) -> None:
    site, youtube = "https://site.test/a.zip", "https://www.youtube.com/watch?v=aaaaaaaaaaa"
    assert read_rows(packed(tmp_path / "run"))["url"].to_list() == [site, site, youtube]


def test_a_step_beside_tells_of_the_same_videos(tmp_path: Path) -> None:
    step = packed(tmp_path / "run")
    table = pl.DataFrame({"video_id": ["v"], "category": ["Trains"], "title": ["Another"]})
    beside = make(tmp_path / "run", "categorize", table, "ingest")
    assert read_rows(step)["category"].null_count() == 3
    rows = read_rows(step, [beside])
    assert rows["category"].to_list() == ["Trains", "Trains", None]
    assert rows["title"].to_list() == ["One", "One", "Two"]
