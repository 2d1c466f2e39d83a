"""Every fifth answer of a pool is wrong, and its replicas are killed meanwhile: no row is lost, none another's."""

import json
import os
import signal
import subprocess
from functools import partial
from pathlib import Path

import polars as pl
import pytest
from support.described import FINE, made_run
from support.frame_models import encode, picture
from support.pools import TESTS
from support.recipes import make_encoder
from support.runs import command, until
from support.slurm import ask
from support.steps import finish, made_step

from slurm.pool.launch import cancel_queued, launches
from slurm.pool.registry import PoolFolder
from slurm.record.manifest import Step

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("slurm")]

VIDEOS, CLIPS = 16, 32
PROMPT = "Answer well.\n-----\nTitle: {{ id }}\n"
CLASSES = {"refused", "truncated", "invalid_json", "schema", "no_answer"}


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Analyzed videos of 10 s, and two clips of each; a key frame a clip."""
    clips = [(f"clip{n:02d}", f"video{n // 2:02d}", n % 2 * 5.0, n % 2 * 5.0 + 5) for n in range(CLIPS)]
    place = made_run(tmp_path / "r", {f"video{n:02d}": "/none" for n in range(VIDEOS)}, clips)
    fine = {name: pl.lit(None, pl.String) for name in FINE}
    tables = {
        "shots": {"video_id": "String", "shot": "Int64", "start_s": "Float64", "end_s": "Float64"},
        "key_frames": {"video_id": "String", "shot": "Int64", "time_s": "Float64", "jpeg": "Binary"},
    }
    gives = {"video_id": "String", "duration_s": "Float64", "fps": "Float64", **dict.fromkeys(FINE, "String")}
    step = made_step(
        place, "analyze", stage="analyze", n=1, inputs=["ingest"], aligned=True, keys=["video_id"], gives=gives,
        tables=tables,
    )  # fmt: skip
    spans = pl.DataFrame([(video, n % 2, start, end) for n, (_, video, start, end) in enumerate(clips)], orient="row")
    frames = spans.with_columns(time_s=pl.col("column_2") + 2, jpeg=pl.lit(encode(picture(1))))
    rows = pl.DataFrame({"video_id": [f"video{n:02d}" for n in range(VIDEOS)]}).with_columns(
        duration_s=10.0, fps=25.0, **fine
    )
    names = dict(zip(spans.columns, tables["shots"], strict=True))
    finish(
        step, 0, rows, shots=spans.rename(names),
        key_frames=frames.rename(names).select("video_id", "shot", "time_s", "jpeg"),
    )  # fmt: skip
    record = json.loads((place / "split" / "step.json").read_text())
    (place / "split" / "step.json").write_text(json.dumps({**record, "inputs": ["analyze"]}))
    return place


@pytest.fixture
def encoder(tmp_path: Path) -> Path:
    return make_encoder(tmp_path / "encoder")


RECIPE = """\
# @package _global_
defaults:
  - /stage@steps.caption: caption
  - /stage@steps.refine: refine
  - /stage@steps.rewrite: rewrite
  - /stage@steps.annotate: annotate
  - override /pool@steps.refine.pool: vision
  - override /pool@steps.rewrite.pool: vision
  - _self_
"""


def submit(run: Path, encoder: Path) -> None:
    """All four steps at once, that ask one pool of two replicas."""
    (run.parent / "pipeline").mkdir()
    (run.parent / "pipeline" / "words.yaml").write_text(RECIPE)
    (template := run.parent / "prompt.j2").write_text(PROMPT)
    pool = {"replicas": 2, "cpus": 1, "mem_gb": 0.5, "minutes": 60, "in_flight": 4, "timeout_s": 4, "idle_minutes": 0.5}
    faulty = ['"{python}"', "-m", "support.annotator", "--fault-share", "'0.2'", "--delay-s", "'0.8'"]
    each = [
        "pool.model=test/model", *(f"pool.{key}={value}" for key, value in pool.items()),
        f"engine.command=[{','.join(faulty)}]", f"+engine.env.PYTHONPATH={TESTS}", "chunks.max_error_share=1",
        "chunks.flush_s=0.2",
    ]  # fmt: skip
    chain = {"caption": "split", "refine": "caption", "rewrite": "refine", "annotate": "analyze"}
    words = [f"steps.{step}.after={before}" for step, before in chain.items()]
    for step in chain:
        own = each if step == "annotate" else [*each, f"template={template}", "facts.id=clip_id"]
        words += [f"{'+' * word.startswith('+')}steps.{step}.{word.removeprefix('+')}" for word in own]
    done = command(
        "stages", "words", f"run={run.name}", f"runs={run.parent}", f"--config-dir={run.parent}", *words,
        "steps.caption.frames.source=key", "steps.caption.frames.most=1", f"steps.rewrite.encoder.model={encoder}",
        "cluster=devcluster", "cluster.cpus=1", "cluster.mem_gb=0.8",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


class Killer:
    """Kills a replica's engine, or its whole job, in turns."""

    def __init__(self, pool: PoolFolder) -> None:
        self.pool, self.kills = pool, 0

    def kill(self) -> None:
        until(lambda: any(one.state == "ready" for one in self.pool.replicas()), 60)
        victim = next(one for one in self.pool.replicas() if one.state == "ready")
        if self.kills % 2:
            subprocess.run(["scancel", "--signal=KILL", "--full", victim.job], check=True)
        else:
            port = victim.url.rpartition(":")[2]
            os.kill(int(ask("pgrep", "-f", f"support.annotator .*--port {port}").split()[0]), signal.SIGKILL)
        self.kills += 1


def under_way(step: Step) -> bool:
    """Whether some of its rows are finished."""
    return any(step.paths.partial.rglob("*.flush")) or step.complete()


def rows_of(run: Path, name: str) -> pl.DataFrame:
    rows = Step(run, name).scan()
    assert rows is not None
    return rows.collect()


def test_with_faults_and_kills_each_row_is_its_own_or_failed_with_its_class(run: Path, encoder: Path) -> None:
    pool = PoolFolder(run, "vision")
    submit(run, encoder)
    try:
        killer = Killer(pool)
        for name in ("caption", "refine", "rewrite"):
            step = Step(run, name)
            until(partial(under_way, step), 120, every=0.1)
            for _ in range(2):
                assert not step.complete(), f"{name} is too quick to be killed in between"
                killer.kill()
            until(step.complete, 120)
        until(lambda: Step(run, "annotate").complete(), 120)
    finally:
        pool.stop()
        cancel_queued(pool)
        jobs = [launch.job for launch in launches(pool)]
        subprocess.run(["scancel", *jobs], check=False)
    ids = {f"clip{n:02d}" for n in range(CLIPS)}
    left, tries = ids, 0
    for name, column in (("caption", "raw_caption"), ("refine", "refined_caption"), ("rewrite", "rewritten_caption")):
        rows = rows_of(run, name)
        assert {*rows["clip_id"]} == left, "none is lost"
        assert len(rows) == len(left), "none is twice"
        assert {*rows["error"]} <= {None, *CLASSES}
        good = rows.filter(pl.col("error").is_null())
        assert all(f"the film {clip} shows" in text for clip, text in good.select("clip_id", column).iter_rows())
        left, tries = {*good["clip_id"]}, tries + int(good[f"{name}_tries"].sum()) - len(good)
    assert len(left) > 0.9 * CLIPS
    assert tries > 0, "some answers were asked for again"
    annotated = rows_of(run, "annotate")
    assert sorted(annotated["video_id"]) == [f"video{n:02d}" for n in range(VIDEOS)]
    assert {*annotated["error"]} <= {None, *CLASSES}
    good = annotated.filter(pl.col("error").is_null())
    assert len(good) > 0.9 * VIDEOS
    assert all(
        title == f"About title-of-{video}" for video, title in good.select("video_id", "annotation_title").iter_rows()
    )
    assert len(launches(pool)) > 2, "those that were cancelled came again"
