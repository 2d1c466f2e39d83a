"""What bad input gets: exit status 2, one message that names the key or the command, nothing half-made."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from support.runs import ROOT, ProbeRun, command, planned

from slurm.errors import InputError
from slurm.pool.serve import serve
from stages.core.command_line.points import points_of
from stages.core.command_line.words import read_line


def refused(done: "subprocess.CompletedProcess[str]", *named: str) -> None:
    assert "Traceback" not in done.stderr, done.stderr[-1500:]
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("error: ") == 1
    assert all(name in done.stderr for name in named), done.stderr


@pytest.fixture
def videos(tmp_path: Path) -> Path:
    folder = tmp_path / "videos"
    folder.mkdir()
    (folder / "a.mp4").write_bytes(b"")
    return folder


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> ProbeRun:
    made = ProbeRun(tmp_path_factory.mktemp("r"), 2, "cluster.executor=debug", "chunks.size=1", "items.workers=1")
    assert made.submit() == 0
    return made


def test_a_missing_input_names_its_key_and_place(tmp_path: Path) -> None:
    place = tmp_path / "runs"
    for words in (["stages.ingest"], ["stages", "pipeline=clips"]):
        done = command(*words, "run=r", f"runs={place}", f"input.path={tmp_path}/gone")
        refused(done, f"input.path={tmp_path}/gone: no such file or folder")
        assert not place.exists()


@pytest.mark.parametrize("runs", ["/proc/nope", "{videos}/a.mp4"])
def test_a_place_where_nothing_can_be_written_names_runs(videos: Path, runs: str) -> None:
    where = runs.format(videos=videos)
    refused(command("stages.ingest", "run=r", f"runs={where}", f"input.path={videos}"), where, "runs=")


def test_a_file_in_the_place_of_a_step_is_named(tmp_path: Path, videos: Path) -> None:
    (tmp_path / "r").mkdir()
    (tmp_path / "r" / "ingest").write_text("")
    refused(command("stages.ingest", "run=r", f"runs={tmp_path}", f"input.path={videos}"), f"{tmp_path}/r/ingest")


def test_a_run_with_another_config_shows_the_difference(tmp_path: Path, videos: Path) -> None:
    words = ["stages.ingest", "run=r", f"runs={tmp_path}", "cluster.executor=debug"]
    assert command(*words, f"input.path={videos}").returncode == 0
    before = sorted(tmp_path.rglob("*"))
    (tmp_path / "more").mkdir()
    done = command(*words, f"input.path={tmp_path / 'more'}")
    refused(done, "r/ingest", f"config.input.path: '{videos}' → '{tmp_path / 'more'}'", "run=", "overwrite=ingest")
    assert sorted(tmp_path.rglob("*")) == sorted([*before, tmp_path / "more"])


def test_a_cluster_without_slurm_says_so(tmp_path: Path, videos: Path) -> None:
    env = {"PATH": str(Path(sys.executable).parent)}
    place = tmp_path / "runs"
    words = ("run=r", f"runs={place}", f"input.path={videos}", "cluster=slurm")
    refused(command("stages.ingest", *words, env=env), "no Slurm on this machine", "cluster=local")
    refused(command("stages", "pipeline=clips", *words, env=env), "no Slurm on this machine", "cluster=local")
    assert not place.exists()


def quick(*words: str, **env: str) -> "subprocess.CompletedProcess[str]":
    """The same as `command`, ended after a minute."""
    return subprocess.run(
        [sys.executable, "-m", *words], cwd=ROOT, env={**os.environ, **env}, capture_output=True, text=True, timeout=60,
        check=False,
    )  # fmt: skip


def test_a_step_that_is_behind_itself_is_refused(tmp_path: Path) -> None:
    refused(quick("stages.filter", "run=r", f"runs={tmp_path / 'runs'}", "after=filter"), "after")


def test_a_step_may_be_put_behind_one_that_the_run_lacks(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("path,duration_s\na.mp4,3\n")
    rules = ("~rules.frozen", "~rules.luma", "rules.motion.column=duration_s")
    words = ("stages.filter", "run=r", f"runs={tmp_path}", "after=ingest", "cluster.executor=debug", *rules)
    done = quick(*words, VIDEOS=str(tmp_path / "a.csv"))
    assert done.returncode == 0, done.stderr
    assert "filter: 1/1 chunks done" in done.stdout


def test_a_rule_over_a_column_that_no_step_gives_names_it(tmp_path: Path, videos: Path) -> None:
    words = ("run=r", f"runs={tmp_path / 'runs'}", f"input.path={videos}")
    done = command("stages", "pipeline=clips", *words, "steps.filter.rules.motion.column=beauty")
    refused(done, "filter", "'beauty'")
    assert not (tmp_path / "runs").exists()


WRONG: dict[str, tuple[list[str], list[str]]] = {
    "command": (["stat", "run=r"], ["unknown command 'stat'", "status, resume, watch, explain, logs, cancel"]),
    "argument": (["status", "run=r", "chunk=1"], ["unknown argument 'chunk=1'", "run=, runs=, step=, watch="]),
    "word": (["status", "r"], ["unknown argument 'r'"]),
    "no run": (["status"], ["run=NAME"]),
    "run": (["status", "run=q"], ["no run 'q'", "there are: r"]),
    "step": (["status", "run=r", "step=prob"], ["no step 'prob'", "ingest, probe"]),
    "step to resume": (["resume", "run=r", "step=prob"], ["no step 'prob'", "ingest, probe"]),
    "no chunk": (["explain", "run=r", "step=probe"], ["step=NAME chunk=N"]),
    "chunk": (["explain", "run=r", "step=probe", "chunk=7"], ["chunks 0 to 1, not 7"]),
    "chunk of logs": (["logs", "run=r", "step=probe", "chunk=7"], ["chunks 0 to 1, not 7"]),
    "chunk that is no number": (["explain", "run=r", "step=probe", "chunk=first"], ["chunk=first"]),
    "seconds that are no number": (["status", "run=r", "watch=often"], ["watch=often"]),
    "lines that are no number": (["logs", "run=r", "step=probe", "chunk=0", "lines=all"], ["lines=all"]),
    "cluster key": (["resume", "run=r", "cluster.memory=3"], ["cluster.memory", "cluster.mem_gb"]),
    "cluster value": (["resume", "run=r", "cluster.minutes=long"], ["cluster.minutes"]),
    "name of a run": (["status", "run=../r"], ["run='../r' is not the name of a directory"]),
    "empty run": (["status", "run="], ["run='' is not the name of a directory"]),
    "name of a step": (["resume", "run=r", "step=../r/probe"], ["step='../r/probe' is not the name of a directory"]),
    "empty step": (["cancel", "run=r", "step="], ["step='' is not the name of a directory"]),
    "seconds before now": (["status", "run=r", "watch=-1"], ["watch=-1"]),
    "seconds without end": (["watch", "run=r", "every=.nan"], ["every=.nan"]),
    "cluster value out of range": (["resume", "run=r", "cluster.parallel=0"], ["cluster.parallel", "got 0"]),
    "torn yaml": (["resume", "run=r", "cluster.setup=[a"], ["cluster.setup"]),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_word_to_slurm_is_told_with_the_right_ones(run: ProbeRun, case: str) -> None:
    words, named = WRONG[case]
    before = sorted(run.run.rglob("*"))
    refused(command("slurm", *words, f"runs={run.runs}"), *named)
    assert sorted(run.run.rglob("*")) == before


@pytest.mark.parametrize("step", ["", ".hid", "x/y", "../q"])
def test_a_step_that_is_no_name_of_a_directory_is_refused(tmp_path: Path, videos: Path, step: str) -> None:
    words = ("run=r", f"runs={tmp_path / 'runs'}", f"input.path={videos}", f"step={step}")
    refused(command("stages.ingest", *words), f"step={step!r} is not the name of a directory")
    assert not (tmp_path / "runs").exists()


SLIPS = {  # of a cluster's file
    "no defaults": ("partition: cpu", ["cluster: no value for executor, account", "defaults: [NAME]"]),
    "tab": ("defaults: [slurm]\n\tcpus: 2", ["mine.yaml", "line 2"]),
    "list": ("[a, b]", ["cluster=['a', 'b']", "cluster.KEY=VALUE"]),
    "defaults that are no list": ("defaults: slurm", ["mine.yaml: `defaults` is no list"]),
    "defaults that are no name": ("defaults: [slurm, 3]", ["mine.yaml: `defaults` holds 3"]),
    "list for a map": ("defaults: [slurm]\nenv: [A=1]", ["cluster/mine.yaml: a list"]),
    "unknown key": ("defaults: [slurm]\npartitoin: x", ["cluster.partitoin", "partition"]),
    "wrong type": ("defaults: [slurm]\ncpus: many", ["cluster.cpus", "got 'many'"]),
    "no text": ("\udcff\udcfe", ["mine.yaml is no YAML"]),
}


@pytest.mark.parametrize("case", SLIPS)
def test_a_slip_in_a_file_of_a_site_is_one_sentence(tmp_path: Path, case: str) -> None:
    text, named = SLIPS[case]
    (tmp_path / "cluster").mkdir()
    (tmp_path / "cluster" / "mine.yaml").write_bytes(text.encode(errors="surrogateescape"))
    words = ("run=r", f"runs={tmp_path}/runs", "cluster=mine", f"--config-dir={tmp_path}")
    for ask in (lambda: planned("pipeline=clips", "input.path=x", *words), lambda: serve(["pool=text", *words])):
        with pytest.raises(InputError) as refusal:
            ask()
        assert "\n" not in str(refusal.value)
    with pytest.raises(InputError) as refusal:
        planned("pipeline=clips", *words)
    assert [name for name in named if name not in str(refusal.value)] == []


FLAGS = {
    "--foo": "unrecognized arguments: --foo",
    "--cfg=no": "invalid choice: 'no'",
    "--config-name=x": "--config-name is a flag of Hydra that means nothing here",
    "after=splitt": "no step or stage is called 'splitt'; there are: align, analyze, annotate, balance, caption",
    "runs=": "runs: say in which folder",
    "--config-dir=": "--config-dir: say which folder",
    "word": "'word' is no key=value",
    "=3": "'=3' cannot be read as key=value",
    "chunks=3": "chunks=3: it has keys of its own",
    "min_s=1,2": "min_s=1,2: several values; say -m",
    "hydra.searchpath=[a": "no list of folders",
}


@pytest.mark.parametrize("word", FLAGS)
def test_a_word_that_cannot_be_read_is_one_sentence(tmp_path: Path, word: str) -> None:
    with pytest.raises(InputError) as refusal:
        points_of(read_line(["run=r", f"runs={tmp_path}/runs", word], "stages.split"))
    assert FLAGS[word] in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_an_empty_input_is_refused(tmp_path: Path) -> None:
    done = command("stages.ingest", "run=r", f"runs={tmp_path}/runs", "input.path=")
    refused(done, "input.path: say where the videos are")
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("word", ["replicas=many", "replicas=0", "pool.cpus=0", "statsu", "run=../r", "pool=../text"])
def test_a_wrong_word_to_serve_is_named(tmp_path: Path, word: str) -> None:
    with pytest.raises(InputError, match=re.escape(word.partition("=")[2] or word)):
        serve(["run=r", "pool=text", f"runs={tmp_path}/runs", word])
    assert not (tmp_path / "runs").exists()


def test_a_cost_that_no_step_gives_as_a_number_names_its_key(tmp_path: Path, videos: Path) -> None:
    words = ("run=r", f"runs={tmp_path / 'runs'}", f"input.path={videos}")
    for cost in ("typo", "path"):
        refused(command("stages", "pipeline=clips", *words, f"steps.analyze.chunks.cost={cost}"), "chunks.cost", cost)
    assert not (tmp_path / "runs").exists()


def test_a_file_among_the_runs_is_no_run(tmp_path: Path) -> None:
    (tmp_path / "README").write_text("")
    for run in ("README", "r"):
        refused(command("slurm", "status", f"run={run}", f"runs={tmp_path}"), f"no run {run!r}", "there are: none")


def test_a_runs_directory_that_is_not_there_has_no_runs(tmp_path: Path) -> None:
    refused(command("slurm", "status", "run=r", f"runs={tmp_path}/none"), "no run 'r'", "there are: none")
