"""A sweep over a reduce stage and a filter behind it: a point computes the swept step, and what is asked behind it."""

import json
from pathlib import Path

import polars as pl
import pytest
from support.outside import call, write_files

from slurm.record.manifest import Step, steps

SHORTEST = '''
"""The shortest videos."""

import polars as pl
from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from stages.core.command_line.start import main
from stages.core.runner.stage import Stage
from stages.core.schema.types import REAL


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Config:
    most: int


def run(steps, config, folder):
    rows = next(iter(steps.values())).kept().select("video_id", "duration_s")
    return {"rows": rows.sort("duration_s", "video_id").head(config.most).rename({"duration_s": "length_s"}).collect()}


STAGE = Stage(name="mystages.shortest", kind="reduce", config=Config, run=run, gives={"length_s": REAL}, key="video_id")

if __name__ == "__main__":
    main(STAGE)
'''
FILES = {
    "code/mystages/__init__.py": "",
    "code/mystages/shortest.py": SHORTEST,
    "conf/stage/shortest.yaml": "# python -m mystages.shortest run=NAME\ndefaults: [/common, _self_]\n"
    "stage: mystages.shortest\nafter: ingest\nmost: 1\n",
    "conf/pipeline/short.yaml": "# @package _global_\n# python -m stages short run=NAME\ndefaults:\n"
    "  - /stage@steps.ingest: ingest\n  - /stage@steps.shortest: shortest\n  - /stage@steps.other: filter\n"
    "  - /stage@steps.filter: filter\n  - _self_\nsteps:\n"
    "  other: {after: ingest, rules: {motion: {column: duration_s}}}\n"
    "  filter: {after: shortest, rules: {motion: {column: length_s, min: 0}}}\n",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four videos, and a sweep of a recipe whose swept step is a reduce one."""
    made = tmp_path_factory.mktemp("reduce")
    write_files(made, FILES)
    pl.DataFrame({"path": list("abcd"), "duration_s": [4.0, 1.0, 2.0, 3.0]}).write_csv(made / "videos.csv")
    less = [f"~steps.{step}.rules.{rule}" for step in ("other", "filter") for rule in ("frozen", "luma")]
    words = ("short", "-m", "run=r", f"input.path={made / 'videos.csv'}", "cluster.cpus=2", *less)
    done = call(made, "stages", *words, "steps.shortest.most=1,2,4", "steps.filter.rules.motion.min=0,3")
    assert done.returncode == 0, done.stderr
    return made


def test_points_of_a_reduce_step_are_compared_too(folder: Path) -> None:
    table = pl.read_parquet(folder / "runs" / "r" / "sweeps" / "short" / "points.parquet")
    found = table.select("step", "shortest.most", "rows_kept").rows()
    assert found == [
        *(("shortest", "1", 1), ("filter", "1", 1), ("shortest", "1", 1), ("filter", "1", 0)),
        *(("shortest", "2", 2), ("filter", "2", 2), ("shortest", "2", 2), ("filter", "2", 0)),
        *(("shortest", "4", 4), ("filter", "4", 4), ("shortest", "4", 4), ("filter", "4", 2)),
    ]
    assert table["hours_kept"].to_list()[-2:] == pytest.approx([10 / 3600, 7 / 3600])
    overlap = pl.read_parquet(folder / "runs" / "r" / "sweeps" / "short" / "overlap.parquet").filter(step="filter")
    low = overlap.filter(pl.col("point").str.contains("most=1,.*min=0"), pl.col("other").str.contains("most=4,.*min=0"))
    assert low["jaccard"].to_list() == [0.25]


def test_a_point_has_the_swept_step_and_what_is_behind_it_and_nothing_else(folder: Path) -> None:
    run = folder / "runs" / "r"
    names = steps(run)
    assert sorted(name for name in names if "@" not in name) == ["ingest", "other"]
    assert len([name for name in names if name.startswith("shortest@")]) == 3
    assert len([name for name in names if name.startswith("filter@")]) == 6
    attempts = sorted((run).glob("*/attempts/*/*/*.jsonl"))
    assert len(attempts) == 2 + 3 + 6
    pids = {json.loads(path.read_text().splitlines()[0])["pid"] for path in attempts if "filter@" in str(path)}
    assert len(pids) <= 2
    assert all(Step(run, name).complete() for name in names)
