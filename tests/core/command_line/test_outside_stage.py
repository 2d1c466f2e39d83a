"""A stage, its config and its recipe in a site's own folder, outside this tree: run, swept, chosen, refused."""

import json
from pathlib import Path

import polars as pl
import pytest
from support.outside import call, write_files
from support.runs import command, planned

from slurm.pool.serve import compose
from slurm.record.manifest import Step, steps

FILES = {
    "code/mystages/__init__.py": "",
    "code/mystages/longer.py": '''
"""How much longer a video is than `than_s`.  python -m mystages.longer run=NAME --config-dir DIR"""

from collections.abc import Iterator

from pydantic.dataclasses import dataclass

from slurm.task.attempt import Output
from stages.core.command_line.start import main
from stages.core.runner.stage import Stage
from stages.core.runner.work import Rows
from stages.core.schema.types import REAL, Row


@dataclass(frozen=True)
class Config:
    than_s: float


def compare(row: Row, config: Config) -> dict[str, list[Row]]:
    return {"rows": [{"longer_s": float(str(row["duration_s"])) - config.than_s}]}


def run(rows: Rows, config: Config) -> Iterator[Output]:
    yield from rows.each(compare, config)


STAGE = Stage("mystages.longer", "map", Config, run, gives={"longer_s": REAL}, needs=("duration_s",))

if __name__ == "__main__":
    main(STAGE)
''',
    "code/mystages/empty.py": "",
    "code/mystages/split.py": "",
    "code/mystages/named.py": "from mystages.longer import STAGE as STAGE\n",
    "conf/stage/longer.yaml": """
# python -m mystages.longer run=NAME than_s=3
defaults: [/common, _self_]
stage: mystages.longer
after: ingest
than_s: 3.0
""",
    "conf/pipeline/longest.yaml": """
# @package _global_
# python -m stages longest run=NAME input.path=FILE
defaults:
  - /stage@steps.ingest: ingest
  - /stage@steps.longer: longer
  - /stage@steps.filter: filter
  - override /rules@steps.filter.rules: longest
  - _self_
steps: {filter: {after: longer}}
""",
    "conf/rules/longest.yaml": """
# python -m stages.filter run=NAME rules=longest
longer_s: {column: null, reduce: mean, min: null, max: null, above: 0.0, per: null}
""",
    "conf/local/default.yaml": """
# @package _global_
# what this site wants of every command
defaults: [override /cluster: here]
retry: {max_attempts: 2}
""",
    "conf/cluster/here.yaml": """
# python -m stages.<name> run=NAME cluster=here
defaults: [local, _self_]
executor: debug
cpus: 1
account: vision
""",
    "conf/pool/small.yaml": """
# python -m slurm serve run=NAME pool=small
defaults: [text, _self_]
name: small
""",
}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site's folder with code/ and conf/, and a catalogue of three videos of 1, 5 and 10 seconds."""
    folder = tmp_path_factory.mktemp("site")
    write_files(folder, FILES)
    table = pl.DataFrame({"path": [f"{n}.mp4" for n in range(3)], "duration_s": [1.0, 5.0, 10.0]})
    table.write_csv(folder / "videos.csv")
    return folder


def videos(site: Path) -> str:
    return f"input.path={site / 'videos.csv'}"


def kept(site: Path, run: str, step: str) -> list[str]:
    rows = Step(site / "runs" / run, step).kept().select("video_id").collect()
    return sorted(rows["video_id"])


def test_a_recipe_with_a_stage_of_a_sites_own_runs(site: Path) -> None:
    done = call(site, "stages", "longest", "run=recipe", videos(site))
    assert done.returncode == 0, done.stderr
    run = site / "runs" / "recipe"
    rows = Step(run, "longer").scan()
    assert rows is not None
    assert sorted(rows.collect()["longer_s"]) == [-2.0, 2.0, 7.0]
    assert len(kept(site, "recipe", "filter")) == 2
    assert Step(run, "longer").plan.stage == "mystages.longer"


@pytest.mark.parametrize("words", [("mystages.longer",), ("stages", "mystages.longer"), ("stages", "longer")])
def test_the_stage_has_a_command_of_its_own(site: Path, words: tuple[str, ...]) -> None:
    search = "hydra.searchpath=[file://{}]"
    done = call(site, *words, "run=own", videos(site), "than_s=4", "dry_run=true", conf=search)
    assert done.returncode == 0, done.stderr
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["ingest", "longer"]


def test_it_is_swept_by_its_own_command_and_in_its_recipe(site: Path) -> None:
    done = call(site, "mystages.longer", "-m", "run=swept", videos(site), "than_s=1,6")
    assert done.returncode == 0, done.stderr
    assert steps(site / "runs" / "swept") == ["ingest", "longer@than_s=1", "longer@than_s=6"]
    done = call(site, "stages", "longest", "-m", "run=swept", videos(site), "steps.longer.than_s=1,6")
    assert done.returncode == 0, done.stderr
    assert set(steps(site / "runs" / "swept")) == {
        "ingest", "longer@than_s=1", "longer@than_s=6", "filter@longer.than_s=1", "filter@longer.than_s=6"
    }  # fmt: skip
    assert [len(kept(site, "swept", f"filter@longer.than_s={s}")) for s in (1, 6)] == [2, 1]
    table = pl.read_parquet(site / "runs" / "swept" / "sweeps" / "longest" / "points.parquet")
    assert table.select("point", "step", "rows_kept").rows() == [
        ("longer.than_s=1", "longer", 3), ("longer.than_s=1", "filter", 2),
        ("longer.than_s=6", "longer", 3), ("longer.than_s=6", "filter", 1),
    ]  # fmt: skip


def test_what_a_site_wants_of_every_command_holds_for_stages_recipes_and_servers(site: Path) -> None:
    folder = f"--config-dir={site / 'conf'}"
    for words in (["split", "after=[]"], ["clips"]):
        common = planned(*words, "run=r", folder)[0].common
        assert (common.cluster.account, common.retry.max_attempts) == ("vision", 2)
    settings = compose(["run=r", "pool=small", "--config-dir", str(site / "conf")])
    assert (settings.cluster.account, settings.pool.name) == ("vision", "small")
    assert compose(["run=r", f"hydra.searchpath=[{site / 'conf'}]", "cluster=local"]).cluster.account is None


def test_a_pool_of_a_sites_own_is_asked_for_by_the_command(site: Path) -> None:
    words = ("slurm", "serve", "run=r", "pool=small", f"runs={site / 'none'}", "engine=endpoint")
    done = command(*words, "--config-dir", str(site / "conf"))
    assert (done.returncode, done.stderr) == (2, "error: engine.url: no value; say engine.url=…\n")
    done = command(*words)
    assert done.returncode == 2
    assert "Could not find 'pool/small'" in done.stderr
    done = command(*words, "--config-dir", str(site / "gone"))
    assert (done.returncode, done.stderr) == (2, f"error: --config-dir={site / 'gone'}: no such folder\n")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("stages", "mystages.longer"), "mystages.longer: no stage/longer.yaml in "),
        (("stages", "mystages.split"), "conf/stage/split.yaml is not its config, which says stage: mystages.split"),
        (("stages", "longest"), "'longest' is no stage"),
    ],
)
def test_without_the_folder_it_is_said_how_to_name_it(site: Path, words: tuple[str, ...], told: str) -> None:
    done = call(site, *words, "run=none", videos(site), conf="")
    assert done.returncode == 2
    assert told in done.stderr
    assert not (site / "runs" / "none").exists()


@pytest.mark.parametrize(
    ("module", "told"),
    [
        ("mystages.gone", "steps.longer.stage: mystages.gone cannot be imported (No module named 'mystages.gone')"),
        ("mystages.empty", "steps.longer.stage: mystages.empty has no STAGE"),
        ("mystages.named", "the STAGE of mystages.named is named 'mystages.longer'"),
    ],
)
def test_a_module_that_is_no_stage_is_told_in_one_sentence(site: Path, module: str, told: str) -> None:
    done = call(site, "stages", "longest", "run=none", videos(site), f"steps.longer.stage={module}")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert told in done.stderr
    assert not (site / "runs" / "none").exists()


def test_the_run_remembers_the_input_of_an_outside_recipe(site: Path) -> None:
    assert call(site, "stages", "longest", "run=again", videos(site)).returncode == 0
    assert set(json.loads((site / "runs" / "again" / "run.json").read_text())["words"]) == {"input.path"}
