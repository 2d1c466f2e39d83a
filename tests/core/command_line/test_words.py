"""Command lines: each becomes one composition of Hydra, its words where they belong."""

from pathlib import Path

import pytest

from slurm.errors import InputError
from stages.core.command_line.words import Line, read_line


def words(*argv: str, stage: str | None = None) -> list[str]:
    return read_line(argv, stage).words


def test_the_own_keys_of_a_stages_command_are_those_of_its_step() -> None:
    assert words("run=r", "decoder.speed=fast", "+more=1", "~shots.cut", stage="stages.analyze") == [
        "+stage@steps.analyze=analyze",
        "run=r",
        "steps.analyze.decoder.speed=fast",
        "+steps.analyze.more=1",
        "~steps.analyze.shots.cut",
    ]


def test_what_is_chosen_by_a_stages_command_is_chosen_for_its_step() -> None:
    chosen = words("rules=speech", "step=speech", "after=download", stage="stages.filter")
    assert chosen == ["+stage@steps.speech=filter", "rules@steps.speech.rules=speech", "steps.speech.after=download"]


def test_the_source_and_the_cluster_are_the_runs() -> None:
    of_run = [
        "input.path=/data",
        "source=urls",
        "source.column=link",
        "opt_out.path=o.csv",
        "cluster=slurm",
        "extend=true",
    ]
    assert words(*of_run, stage="stages.ingest") == ["+stage@steps.ingest=ingest", *of_run]


def test_resources_in_a_stages_command_hold_for_the_run_and_beat_the_stages_own() -> None:
    assert words("items.timeout_s=9", stage="stages.analyze")[1:] == [
        "items.timeout_s=9", "steps.analyze.items.timeout_s=${items.timeout_s}"
    ]  # fmt: skip


def test_options_of_engines_and_sbatch_need_no_plus() -> None:
    assert words("engine.options.quantize=awq", "cluster.extra.nice=5", stage="stages.categorize")[1:] == [
        "++steps.categorize.engine.options.quantize=awq", "++cluster.extra.nice=5"
    ]  # fmt: skip
    assert words("steps.cut.cluster.env.A=b", "steps.cut.quality=9")[1:] == [
        "++steps.cut.cluster.env.A=b", "steps.cut.quality=9"
    ]  # fmt: skip


@pytest.mark.parametrize("argv", [("filter", "run=r"), ("run=r", "filter"), ("-m", "filter", "run=r")])
def test_a_stage_is_named_anywhere_as_by_its_own_command(argv: tuple[str, ...]) -> None:
    line = read_line(["filter", "run=r"] if argv[0] == "run=r" else argv)
    assert line.words == words("run=r", stage="stages.filter")
    assert (line.step, line.title) == ("filter", "filter")
    assert line.sweep == ("-m" in argv)


def test_a_recipe_is_named_by_its_name_or_by_its_key() -> None:
    assert words("demo", "run=r") == words("pipeline=demo", "run=r") == ["pipeline=demo", "run=r"]
    assert words("run=r") == ["pipeline=clips", "run=r"]


def test_a_step_of_a_recipe_chooses_by_its_key() -> None:
    assert words("steps.speech.rules=clips")[1:] == ["rules@steps.speech.rules=clips"]
    assert words("rules@steps.speech.rules=clips")[1:] == ["rules@steps.speech.rules=clips"]
    assert words("steps.cut.cluster=slurm")[1:] == ["+cluster@steps.cut.cluster=slurm"]


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("overwrite=true", "overwrite=true"),
        ("overwrite=split", "overwrite=split"),
        ("overwrite=split,filter", "overwrite=[split,filter]"),
        ("overwrite=[split,filter]", "overwrite=[split,filter]"),
        ("overwrite=split@min_s=2", 'overwrite="split@min_s=2"'),
    ],
)
def test_steps_to_overwrite_need_no_quotes(word: str, said: str) -> None:
    assert words(word)[1:] == [said]


def test_a_step_may_be_behind_a_point_of_a_sweep_without_quotes() -> None:
    assert words("after=filter@rules.motion.min=0.1", stage="stages.cut")[1:] == [
        'steps.cut.after="filter@rules.motion.min=0.1"'
    ]


def test_folders_of_configs_are_one_word_of_hydra(tmp_path: Path) -> None:
    one, two = tmp_path / "one folder", tmp_path / "two"
    one.mkdir()
    two.mkdir()
    said = f'hydra.searchpath=["file://{one}","file://{two}"]'
    for argv in (
        ("--config-dir", str(one), f"hydra.searchpath=[file://{two}]"),
        (f"--config-dir={one}", "-cd", str(two)),
        (f"hydra.searchpath=[{one},{two}]",),
    ):
        assert said in read_line([*argv, "run=r"]).words
        assert read_line([*argv, "run=r"]).folders.folders[1:] == [one, two]


def test_a_flag_that_shows_something_is_kept_apart_from_the_words() -> None:
    line: Line = read_line(["clips", "run=r", "--cfg", "job", "--resolve"])
    assert (line.flags, line.words) == (["--cfg", "job", "--resolve"], ["pipeline=clips", "run=r"])


@pytest.mark.parametrize("step", ["a.b", "2nd", "a=b", "ü b"])
def test_a_step_has_a_name_that_can_stand_in_a_key(step: str) -> None:
    with pytest.raises(InputError, match="a step is named by letters, digits, _ and -"):
        words("run=r", f"step={step}", stage="stages.filter")
