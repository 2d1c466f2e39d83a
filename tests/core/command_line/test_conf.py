"""The configs: each composes, and what is wrong with a key is told by its name, before anything is on disk."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from support.hub import Hub
from support.runs import ROOT, command, planned

from slurm.conf import CONF, compose
from slurm.errors import InputError
from slurm.record.manifest import Step
from slurm.scheduler.cluster import Cluster
from stages.core.command_line.command import command as start
from stages.core.command_line.points import points_of
from stages.core.command_line.words import read_line
from stages.core.runner.config import Common
from stages.core.runner.pipeline import Wanted
from stages.core.runner.stage import load

STAGES = sorted(path.stem for path in (CONF / "stage").glob("*.yaml"))
CLUSTERS = sorted(path.stem for path in CONF.glob("cluster/*.yaml"))
RECIPES = sorted(path.stem for path in CONF.glob("pipeline/*.yaml"))


def step_of(stage: str, *words: str) -> Wanted:
    """The step that the command of a stage plans, nothing before it."""
    return points_of(read_line([*words, "after=[]"], f"stages.{stage}"))[0].order[-1]


@pytest.mark.parametrize("stage", STAGES)
def test_every_config_composes_and_fits_its_stage(stage: str, tmp_path: Path) -> None:
    step = step_of(stage, "run=r", f"runs={tmp_path}")
    assert step.stage is load(stage)
    assert isinstance(step.common, Common)
    assert isinstance(step.config, load(stage).config)
    assert step.name == stage


@pytest.mark.parametrize("cluster", CLUSTERS)
def test_every_cluster_composes_and_fits(cluster: str) -> None:
    common = step_of("filter", "run=r", f"cluster={cluster}").common
    assert isinstance(common.cluster, Cluster)
    assert common.cluster.cpus >= 1


def test_a_step_has_every_key_that_a_run_has_and_takes_the_runs_value() -> None:
    common = yaml.safe_load((CONF / "common.yaml").read_text())
    run = compose("run", ["run=r"])
    for group in ("chunks", "items", "retry", "cluster"):
        assert common[group] == {key: f"${{{group}.{key}}}" for key in run[group]}


@pytest.mark.parametrize("recipe", RECIPES)
def test_every_recipe_names_stages_and_keys_that_are_there(recipe: str, tmp_path: Path) -> None:
    words = ["stages", f"pipeline={recipe}", "run=r", f"runs={tmp_path}", f"input.path={tmp_path}", "dry_run=true"]
    if "score_frames" in (CONF / "pipeline" / f"{recipe}.yaml").read_text():  # the Hub of the test has no old commits
        pinned = ("aesthetic.revision", "aesthetic.head_revision", "nsfw.revision")
        words += [f"steps.score_frames.{key}=null" for key in pinned]
    files = dict.fromkeys(("config.json", "tokenizer_config.json", "model.safetensors"), b"{}")
    named = ("florence-community/Florence-2-large", "diffusers/shot-categorizer-v0", "openai/clip-vit-large-patch14")
    heads = {
        "trl-lib/ddpo-aesthetic-predictor": {"aesthetic-model.pth": b"{}"},
        "finetrainers/laion-watermark-detection": {"watermark_model_v1.pt": b"{}"},
    }
    models = dict.fromkeys((*named, "Falconsai/nsfw_image_detection"), files) | heads
    with Hub({}, models=models) as hub:
        done = command(*words, env={"HF_ENDPOINT": hub.url, "HF_HUB_CACHE": f"{tmp_path}/cache"})
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    assert "ingest (new): 1 chunks" in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_the_config_of_a_recipe_can_be_read_before_it_runs() -> None:
    done = command("stages", "demo", "run=r", "input.path=/data", "chunks.size=7", "--cfg", "job", "--resolve")
    assert done.returncode == 0, done.stderr
    cfg = yaml.safe_load(done.stdout)
    assert cfg["steps"]["ingest"]["input"] == {"path": "/data"}
    assert cfg["steps"]["analyze"]["chunks"].items() >= {"size": 7, "cost": "bytes"}.items()
    assert cfg["steps"]["filter"]["rules"]["motion"]["min"] == 0.002
    assert cfg["steps"]["report"]["after"] == "all"


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        (["run="], "run=''"),
        (["run=a/b"], "run='a/b'"),
        (["min_s=two"], "steps.split.min_s: .*got 'two'"),
        (["+minimum=2"], "steps.split.minimum: "),
        (["+steps.split.chunks.sise=2"], "steps.split.chunks.sise: "),
        (["+chunks.sise=2"], "unknown key steps.split.chunks.sise"),
        (["+cluster={partion: P}"], "cluster.partion: no such key; there are: executor, "),
        (["chunks.size=many"], "^chunks.size: .*got 'many'"),
        (["cluster.executor=cloud"], "^cluster.executor: .*got 'cloud'"),
        (["min_s=???"], "steps.split.min_s: no value; say steps.split.min_s="),
        (["chunks.size=???"], "chunks.size: no value; say chunks.size="),
        (["min_s=${oc.env:NOPE}"], "steps.split.min_s: .*NOPE"),
        (["overwrite=cut"], "overwrite=cut: no such step; there are: split"),
        (["extend=much"], "extend.*got 'much'"),
    ],
)
def test_a_wrong_key_is_named_with_what_it_got(overrides: list[str], told: str) -> None:
    with pytest.raises(InputError, match=told):
        step_of("split", *(["run=r"] if not overrides[0].startswith("run=") else []), *overrides)


REFUSED: dict[str, tuple[list[str], str]] = {
    "unknown key": (["stages.split", "run=r", "minimum_s=2"], "minimum_s"),
    "wrong type": (["stages.split", "run=r", "min_s=two"], "min_s"),
    "missing value": (["stages.split"], "run"),
    "unknown cluster": (["stages.split", "run=r", "cluster=moon"], "moon"),
    "not an override": (["stages.split", "run=r", "min_s"], "min_s"),
    "unknown pipeline": (["stages", "run=r", "pipeline=films"], "films"),
    "unknown name": (["stages", "clisp", "run=r"], "'clisp' is no stage (align, analyze, annotate, balance, "),
    "recipe without its input": (["stages", "youtube", "run=r"], "input.path"),
    "unknown step": (["stages", "run=r", "steps.fliter.rules.motion.min=0.3"], "steps.fliter"),
    "unknown key of a step": (["stages", "run=r", "steps.filter.rules.motion.mni=1"], r"steps.filter"),
    "wrong type in a step": (["stages", "run=r", "steps.split.min_s=two"], "min_s"),
    "unknown source": (["stages.ingest", "run=r", "source=moon"], "moon"),
    "key of another source": (["stages.ingest", "run=r", "source=urls", "source.layout=ytb"], "source.layout"),
    "unknown source of a recipe": (["stages", "run=r", "source=moon"], "moon"),
    "unknown choice of a step": (["stages", "run=r", "steps.filter.rules=moon"], "moon"),
    "step behind none": (["stages", "run=r", "steps.cut.after=nothing"], "nothing"),
    "stage behind none": (["stages.cut", "run=r", "after=nothing"], "nothing"),
    "steps in a circle": (["stages", "run=r", "steps.split.after=cut"], "split → cut → filter → split"),
    "two steps with one name": (["stages", "run=r", "+stage@steps.filter=split"], "stage@steps.filter"),
    "step without a stage": (["stages", "run=r", "+steps.more.min_s=2"], "steps.more: no stage"),
    "stage that is none": (["stages", "run=r", "steps.cut.stage=cutt"], "steps.cut.stage: there is no stage 'cutt'"),
    "module that is none": (
        ["stages", "run=r", "steps.cut.stage=my.cut"],
        "steps.cut.stage: my.cut cannot be imported",
    ),
    "module without a stage": (["stages", "run=r", "steps.cut.stage=os.path"], "steps.cut.stage: os.path has no STAGE"),
    "step that is none to overwrite": (["stages", "run=r", "overwrite=cut,fliter"], "overwrite=fliter: no such step"),
    "name that is none of a step": (["stages.cut", "run=r", "step=a.b"], "step='a.b'"),
    "folder that is missing": (["stages", "run=r", "--config-dir", "/none"], "--config-dir=/none: no such folder"),
    "sweep with a wrong value": (["stages", "-m", "run=r", "steps.split.min_s=2,two"], "steps.split.min_s"),
    "sweep of an interval": (["stages", "-m", "run=r", "steps.split.min_s=interval(0,1)"], "steps.split.min_s"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_commands_refuse_a_wrong_key_in_one_message_and_leave_nothing(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (module, *words), named = REFUSED[case]
    monkeypatch.setattr("sys.argv", [module, *words, f"runs={tmp_path / 'runs'}"])
    with pytest.raises(SystemExit) as ended:
        start(None if module == "stages" else module)
    told = capsys.readouterr()
    assert ended.value.code == 2
    assert named in told.err
    assert told.err.startswith("error: ")
    assert (told.err.count("error: "), told.err.count("\n")) == (1, 1)
    assert told.out == ""
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
    with pytest.raises(InputError, match=rf"^{key}: Input should be .*, got {value}"):
        step_of("split", "run=r", word)
    with pytest.raises(InputError, match=rf"^steps.split.{key}: Input should be .*, got {value}"):
        step_of("split", "run=r", f"steps.split.{word}")


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


def test_a_run_takes_the_keys_of_the_source_that_is_said_last_and_no_other_ones() -> None:
    ingest = planned("clips", "run=r", "source=youtube_commons", "source=folder")[0]
    assert ingest.config.source.name == "folder"
    assert [*vars(ingest.config.source)] == ["name"]


def test_a_key_of_the_run_holds_for_all_steps_but_those_that_have_their_own() -> None:
    words = ("run=r", "chunks.size=7", "steps.cut.chunks.size=9", "cluster.minutes=5", "steps.analyze.cluster.gpus=1")
    steps = {step.name: step.common for step in planned("demo", *words)}
    assert {name: common.chunks.size for name, common in steps.items()} == {
        "ingest": 7, "categorize": 1000, "analyze": 7, "split": 7, "filter": 7, "cut": 9, "report": 7
    }  # fmt: skip
    assert {common.cluster.minutes for common in steps.values()} == {5}
    assert [name for name, common in steps.items() if common.cluster.gpus] == ["analyze"]


def test_more_parameters_of_sbatch_are_free_for_a_run_and_for_a_step() -> None:
    words = ("run=r", "cluster.extra.reservation=R", "steps.cut.cluster.extra.nice=5", "steps.cut.cluster.env.A=b")
    steps = {step.name: step.common.cluster for step in planned("clips", *words)}
    assert steps["split"].extra == {"reservation": "R"}
    assert steps["cut"].extra == {"reservation": "R", "nice": 5}
    assert (steps["split"].env, steps["cut"].env) == ({}, {"A": "b"})


def test_a_step_may_run_on_another_cluster() -> None:
    steps = {step.name: step.common.cluster for step in planned("clips", "run=r", "steps.analyze.cluster=slurm")}
    assert {name: cluster.executor for name, cluster in steps.items() if cluster.executor != "local"} == {
        "analyze": "slurm"
    }


@pytest.mark.parametrize("words", [("stages.filter",), ("stages", "filter"), ("stages", "clips")])
def test_help_shows_the_keys_and_what_can_be_chosen(words: tuple[str, ...]) -> None:
    done = command(*words, "--help")
    assert done.returncode == 0, done.stderr
    assert "rules=clips|cosmos_curate|crop|crush|dataflow|" in done.stdout
    assert "min: 0.002" in done.stdout
    assert "max_error_share: 0.5" in done.stdout


def test_no_file_is_a_run_config_beside_these() -> None:
    assert sorted(path.name for path in CONF.glob("*.yaml")) == ["common.yaml", "run.yaml", "serve.yaml"]
    assert ROOT / "conf" == CONF
