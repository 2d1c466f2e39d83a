"""The configs: each composes, and what is wrong with a key is told by its name, before anything is on disk."""

from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig, OmegaConf
from support.runs import command

from slurm.errors import InputError
from slurm.record.manifest import Step
from slurm.scheduler.cluster import Cluster
from stages.core.runner.command import CONF, read
from stages.core.runner.config import Common
from stages.core.runner.stage import load

FILES = sorted(path.stem for path in Path(CONF).glob("*.yaml"))
STAGES = [name for name in FILES if name not in ("base", "pipeline", "serve")]
CLUSTERS = sorted(path.stem for path in Path(CONF).glob("cluster/*.yaml"))


def composed(name: str, *overrides: str) -> DictConfig:
    OmegaConf.register_new_resolver("cpu_count", lambda: 2, replace=True)
    with initialize_config_dir(CONF, version_base="1.3"):
        return compose(name, ["run=r", *overrides])


@pytest.mark.parametrize("stage", STAGES)
def test_every_config_composes_and_fits_its_stage(stage: str) -> None:
    common, config = read(load(stage), composed(stage))
    assert isinstance(common, Common)
    assert isinstance(config, load(stage).config)
    assert common.step == stage


@pytest.mark.parametrize("cluster", CLUSTERS)
def test_every_cluster_composes_and_fits(cluster: str) -> None:
    common, _ = read(load("filter"), composed("filter", f"cluster={cluster}"))
    assert isinstance(common.cluster, Cluster)
    assert common.cluster.cpus >= 1


@pytest.mark.parametrize("recipe", sorted(path.stem for path in Path(CONF).glob("pipeline/*.yaml")))
def test_every_recipe_names_stages_and_keys_that_are_there(recipe: str, tmp_path: Path) -> None:
    done = command(
        "stages", f"pipeline={recipe}", "run=r", f"runs={tmp_path}", f"input.path={tmp_path}", "dry_run=true"
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "ingest (new): 1 chunks" in done.stdout
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        (["run="], "run=''"),
        (["run=a/b"], "run='a/b'"),
        (["min_s=two"], "min_s: .*got 'two'"),
        (["+minimum=2"], "minimum: "),
        (["+chunks.sise=2"], "chunks.sise: "),
        (["chunks.size=many"], "chunks.size: .*got 'many'"),
        (["cluster.executor=cloud"], "cluster.executor: .*got 'cloud'"),
        (["min_s=???"], "min_s: no value; say min_s="),
    ],
)
def test_a_wrong_key_is_named_with_what_it_got(overrides: list[str], told: str) -> None:
    with pytest.raises(InputError, match=told):
        read(load("split"), composed("split", *overrides))


REFUSED: dict[str, tuple[list[str], str]] = {
    "unknown key": (["stages.split", "run=r", "minimum_s=2"], "minimum_s"),
    "wrong type": (["stages.split", "run=r", "min_s=two"], "min_s"),
    "missing value": (["stages.split"], "run"),
    "unknown cluster": (["stages.split", "run=r", "cluster=moon"], "moon"),
    "not an override": (["stages.split", "run=r", "min_s"], "min_s"),
    "unknown pipeline": (["stages", "run=r", "pipeline=films"], "films"),
    "unknown step": (["stages", "run=r", "steps.fliter.rules.motion.min=0.3"], "steps.fliter"),
    "unknown key of a step": (["stages", "run=r", "steps.filter.rules.motion.mni=1"], r"steps.filter"),
    "wrong type in a step": (["stages", "run=r", "steps.split.min_s=two"], "min_s"),
    "unknown source": (["stages.ingest", "run=r", "source=moon"], "moon"),
    "key of another source": (["stages.ingest", "run=r", "source=urls", "source.layout=ytb"], "source.layout"),
    "unknown source of a recipe": (["stages", "run=r", "source=moon"], "moon"),
    "unknown choice of a step": (["stages", "run=r", "steps.filter.rules=moon"], "moon"),
    "step behind none": (["stages", "run=r", "steps.cut.after=nothing"], "nothing"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_commands_refuse_a_wrong_key_in_one_message_and_leave_nothing(case: str, tmp_path: Path) -> None:
    words, named = REFUSED[case]
    done = command(*words, f"runs={tmp_path / 'runs'}")
    assert done.returncode == 2
    assert named in done.stderr
    assert done.stderr.count("error: ") == 1
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert list(tmp_path.iterdir()) == []


OUT_OF_RANGE = [
    *(
        "chunks.n=-2",
        "chunks.size=0",
        "chunks.ahead=0",
        "chunks.per_task=0",
        "chunks.min_errors=-1",
        "chunks.flush_s=-1",
    ),
    *("chunks.max_error_share=1.5", "items.workers=-1", "items.at_once=0", "items.mem_gb=0", "items.timeout_s=-1"),
    *("retry.max_attempts=0", "retry.breaker=0", "cluster.cpus=0", "cluster.gpus=-1", "cluster.mem_gb=nan"),
    *("cluster.minutes=0", "cluster.parallel=0", "cluster.signal_delay_s=-1"),
]


@pytest.mark.parametrize("word", OUT_OF_RANGE)
def test_a_number_out_of_its_range_names_its_key(word: str) -> None:
    key, _, value = word.partition("=")
    with pytest.raises(InputError, match=rf"split: {key}: Input should be .*, got {value}"):
        read(load("split"), composed("split", word))


def test_a_key_of_a_step_reaches_its_config(tmp_path: Path) -> None:
    (tmp_path / "videos").mkdir()
    (tmp_path / "videos" / "a.mp4").write_bytes(b"")
    words = ["run=r", f"runs={tmp_path}", f"input.path={tmp_path / 'videos'}", "chunks.ahead=3"]
    done = command("stages", "pipeline=clips", *words, "steps.filter.rules.motion.min=0.3", "cluster.executor=debug")
    assert done.returncode == 0, done.stderr
    plan = Step(tmp_path / "r", "filter").plan
    rules: dict[str, Any] = plan.config["rules"]
    assert rules["motion"].items() >= {"column": None, "reduce": "mean", "min": 0.3, "max": None}.items()
    assert rules["luma"]["min"] == 0.03
    assert plan.identity["config.rules.motion.min"] == 0.3
    errors = Step(tmp_path / "r", "analyze").all_done()[0].errors
    assert errors == {"empty": 1}


def test_a_recipe_chooses_a_source_and_a_step_its_set_of_rules(tmp_path: Path) -> None:
    (tmp_path / "l.csv").write_text("link,length,words\na.mp4,1:30,90\n")
    source = ["source=urls", "source.column=link", "source.columns.duration_s=length"]
    words = [
        "run=r",
        f"input.path={tmp_path / 'l.csv'}",
        f"runs={tmp_path}",
        "cluster.executor=debug",
        "steps.filter.rules=speech",
    ]
    done = command("stages", "pipeline=clips", *source, *words)
    assert done.returncode == 0, done.stderr
    ingest, rules = Step(tmp_path / "r", "ingest"), Step(tmp_path / "r", "filter").plan.config["rules"]
    assert {key: value for key, value in ingest.plan.config["source"].items() if key != "columns"} == {
        "name": "urls", "column": "link", "id": None
    }  # fmt: skip
    rows = ingest.scan()
    assert rows is not None
    assert rows.select("duration_s", "words").collect().rows() == [(90.0, 90)]
    assert list(rules) == ["speech"]


def test_a_step_takes_the_keys_of_the_source_that_it_names_and_no_other_ones(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"")
    words = ["run=r", f"runs={tmp_path}", "cluster.executor=debug", "source=youtube_commons"]
    done = command("stages", "pipeline=clips", f"input.path={tmp_path}", *words, "steps.ingest.source={name: folder}")
    assert done.returncode == 0, done.stderr
    assert Step(tmp_path / "r", "ingest").plan.config["source"] == {"name": "folder"}
