"""A stage outside the tree with a key of its own, on a real Slurm: run by its recipe, swept, extended and resumed."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
from support.outside import call, write_files
from support.runs import until

from slurm.control.survey import survey
from slurm.record.manifest import Step, steps
from slurm.table import read_table

FILES = {
    "code/mystages/__init__.py": "",
    "code/mystages/thirds.py": '''
"""Three thirds of every video.  python -m mystages.thirds run=NAME --config-dir DIR"""

from collections.abc import Iterator
from pathlib import Path

from pydantic.dataclasses import dataclass

from slurm.task.attempt import Output
from stages.core.command_line.start import main
from stages.core.runner.stage import Stage
from stages.core.runner.work import Rows
from stages.core.schema.types import REAL, Row


@dataclass(frozen=True)
class Config:
    scale: float
    fault: str  # a file: while it is there, the video that it names fails its chunk


def cut(row: Row, config: Config) -> dict[str, list[Row]]:
    fault = Path(config.fault)
    if fault.exists() and fault.read_text() == row["video_id"]:
        raise RuntimeError("the test said so")
    length_s = config.scale * float(str(row["duration_s"])) / 3
    return {"rows": [{"third_id": f"{row['video_id']}_{n}", "length_s": length_s} for n in range(3)]}


def run(rows: Rows, config: Config) -> Iterator[Output]:
    yield from rows.each(cut, config)


STAGE = Stage(
    "mystages.thirds", "map", Config, run, gives={"length_s": REAL}, needs=("duration_s",), key="third_id"
)

if __name__ == "__main__":
    main(STAGE)
''',
    "conf/stage/thirds.yaml": """
# python -m mystages.thirds run=NAME scale=2
defaults: [/common, _self_]
stage: mystages.thirds
after: ingest
scale: 1.0
fault: ""
""",
    "conf/pipeline/judged.yaml": """
# @package _global_
# python -m stages judged run=NAME input.path=FILE
defaults:
  - /stage@steps.ingest: ingest
  - /stage@steps.thirds: thirds
  - /stage@steps.filter: filter
  - override /rules@steps.filter.rules: long
  - _self_
chunks: {size: 2}
items: {workers: 1}
steps: {filter: {after: thirds}}
""",
    "conf/rules/long.yaml": """
# python -m stages.filter run=NAME rules=long
length_s: {column: null, reduce: mean, min: 2.0, max: null, above: null, per: null}
""",
}


class Site:
    """A folder with code/ and conf/ and a list of videos; commands that know it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.run, self.fault = folder, folder / "runs" / "r", folder / "fault"
        write_files(folder, FILES)

    def list_videos(self, count: int) -> None:
        table = {"video_id": [f"v{n}" for n in range(count)], "duration_s": [float(3 * n) for n in range(count)]}
        pl.DataFrame(table).with_columns(path=pl.col("video_id") + ".mp4").write_csv(self.folder / "videos.csv")

    def call(self, *words: str) -> "subprocess.CompletedProcess[str]":
        done = call(self.folder, "stages", *words, "run=r", f"steps.thirds.fault={self.fault}")
        assert done.returncode == 0, done.stderr
        return done

    def wait(self, *names: str) -> None:
        until(
            lambda: all(Step(self.run, name).exists and survey(Step(self.run, name)).complete() for name in names), 120
        )

    def kept(self, step: str) -> list[str]:
        return read_table(self.run, step, kept=True).collect()["third_id"].to_list()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, slurm: Path) -> Iterator[Site]:
    """Four videos, of 0 to 9 seconds, through the recipe."""
    made = Site(tmp_path_factory.mktemp("site"))
    made.list_videos(4)
    made.call("judged", f"input.path={made.folder / 'videos.csv'}", "cluster=devcluster")
    made.wait("ingest", "thirds", "filter")
    yield made


def thirds(*videos: int) -> list[str]:
    return [f"v{video}_{n}" for video in videos for n in range(3)]


def test_its_recipe_runs_and_the_step_behind_it_judges_rows_by_its_key(site: Site) -> None:
    assert Step(site.run, "filter").plan.keys == ["third_id", "video_id"]
    assert site.kept("filter") == thirds(2, 3)


def test_it_is_swept_and_what_is_before_the_change_is_shared(site: Site) -> None:
    site.call("-m", "judged", "steps.thirds.scale=2,3")
    points = [name for name in steps(site.run) if "@" in name]
    assert len(points) == 4
    site.wait(*points)
    assert site.kept("filter@thirds.scale=3") == thirds(1, 2, 3)
    assert len(list(Step(site.run, "ingest").paths.attempts.glob("*/*/*.jsonl"))) == 1


def test_it_is_extended_and_an_extension_that_failed_is_resumed(site: Site) -> None:
    site.list_videos(6)
    site.fault.write_text("v5")
    told = site.call("judged", "extend=true").stdout
    assert "ingest: 2 new rows in the source beside 4" in told
    until(lambda: survey(Step(site.run, "thirds")).failed, 120)
    site.fault.unlink()
    resumed = call(site.folder, "slurm", "watch", "run=r", "every=2", conf="")
    assert resumed.returncode == 0, resumed.stdout + resumed.stderr
    assert site.kept("filter") == thirds(2, 3, 4, 5)
    swept = [name for name in steps(site.run) if name.startswith("filter@")]
    assert all(site.kept(name)[-3:] == thirds(5) for name in swept)
    before = [done for done in Step(site.run, "thirds").all_done() if done.chunk < 2]
    assert all(done.attempt.endswith("_0") for done in before)
