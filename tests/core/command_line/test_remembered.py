"""What a run remembers: its input, source, opt_out and cluster, so that later commands need not say them."""

import json
import subprocess
from pathlib import Path

import polars as pl
import pytest
from support.runs import command

from slurm.record.manifest import Step
from stages.core.command_line.remembered import kept, merged

OWN = ("after=ingest", "~rules.frozen", "~rules.luma", "rules.motion.column=duration_s")


@pytest.fixture
def catalogue(tmp_path: Path) -> Path:
    pl.DataFrame({"path": ["a.mp4", "b.mp4"], "duration_s": [1.0, 9.0]}).write_csv(tmp_path / "v.csv")
    return tmp_path / "v.csv"


def ingest(catalogue: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    return command("stages.ingest", "run=r", f"runs={catalogue.parent}", *words)


def remembered(folder: Path) -> dict[str, str]:
    content = json.loads((folder / "r" / "run.json").read_text())
    assert content["format"] == 1
    return dict(content["words"])


def test_a_later_command_takes_the_input_and_the_cluster_and_says_so(catalogue: Path) -> None:
    first = ("source=urls", "source.id=path", f"input.path={catalogue}", "cluster.executor=debug", "chunks.size=1")
    done = ingest(catalogue, *first)
    assert done.returncode == 0, done.stderr
    assert "remembers" not in done.stdout
    words = {word.partition("=")[0]: word for word in first[:4]}
    assert remembered(catalogue.parent) == words
    done = command("stages.filter", "run=r", f"runs={catalogue.parent}", *OWN)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == f"as the run remembers: {' '.join(first[:4])}"
    assert Step(catalogue.parent / "r", "filter").all_done()[0].rows_in == 2
    assert ingest(catalogue).returncode == 0  # the same step: its source is not the default folder


def test_overwriting_with_a_forgotten_input_takes_that_of_the_run(catalogue: Path) -> None:
    assert ingest(catalogue, f"input.path={catalogue}").returncode == 0
    done = ingest(catalogue, "overwrite=true")
    assert done.returncode == 0, done.stderr
    assert Step(catalogue.parent / "r", "ingest").plan.config["input"] == {"path": str(catalogue)}


def test_words_said_now_beat_those_of_the_run_and_are_remembered(catalogue: Path) -> None:
    other = catalogue.with_name("other.csv")
    other.write_text("path\nc.mp4\n")
    assert ingest(catalogue, f"input.path={catalogue}", "cluster.executor=debug").returncode == 0
    done = ingest(catalogue, f"input.path={other}", "overwrite=ingest")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == "as the run remembers: cluster.executor=debug"
    assert remembered(catalogue.parent)["input.path"] == f"input.path={other}"
    assert Step(catalogue.parent / "r", "ingest").plan.config["input"] == {"path": str(other)}


def test_another_source_or_cluster_has_none_of_the_keys_of_the_former_one() -> None:
    said = {word.partition("=")[0]: word for word in ("source=urls", "source.column=link", "input.path=/a")}
    said |= {word.partition("=")[0]: word for word in ("cluster=slurm", "cluster.partition=p")}
    assert set(merged(said, ["source=folder"])) == {"source", "input.path", "cluster", "cluster.partition"}
    assert set(merged(said, ["cluster=local"])) == {"source", "source.column", "input.path", "cluster"}
    assert merged(said, ["source=urls", "cluster=slurm"]) == said
    assert merged(said, ["cluster.partition=q"])["cluster.partition"] == "cluster.partition=q"


def test_what_one_stage_asks_for_is_not_asked_for_by_the_others() -> None:
    words = ["cluster=slurm", "cluster.partition=p", "cluster.gpus=1", "cluster.minutes=9", "chunks.size=3", "run=r"]
    assert kept(words, of_stage=True) == ["cluster=slurm", "cluster.partition=p"]
    assert kept(words, of_stage=False) == [
        "cluster=slurm",
        "cluster.partition=p",
        "cluster.gpus=1",
        "cluster.minutes=9",
    ]


def test_nothing_is_remembered_of_what_was_not_done(catalogue: Path) -> None:
    assert ingest(catalogue, f"input.path={catalogue}", "dry_run=true").returncode == 0
    assert not (catalogue.parent / "r").exists()
    assert ingest(catalogue, f"input.path={catalogue}").returncode == 0
    before = (catalogue.parent / "r" / "run.json").read_bytes()
    for words in (["input.path=/gone"], ["cluster=moon"], [f"input.path={catalogue.parent}"]):
        assert ingest(catalogue, *words).returncode == 2
    assert (catalogue.parent / "r" / "run.json").read_bytes() == before


def test_values_that_are_swept_are_not_remembered(catalogue: Path) -> None:
    words = ("-m", f"input.path={catalogue}", "source=urls", "source.id=path,null")
    done = ingest(catalogue, *words)
    assert done.returncode == 0, done.stderr
    assert set(remembered(catalogue.parent)) == {"input.path", "source"}


def test_fields_of_others_are_kept_and_newer_formats_are_refused(catalogue: Path) -> None:
    (catalogue.parent / "r").mkdir()
    record = catalogue.parent / "r" / "run.json"
    record.write_text(json.dumps({"format": 1, "words": {"cluster": "cluster=local"}, "owner": "me"}))
    assert ingest(catalogue, f"input.path={catalogue}").returncode == 0
    assert json.loads(record.read_text())["owner"] == "me"
    record.write_text(json.dumps({"format": 2, "words": {}}))
    before = sorted(catalogue.parent.rglob("*"))
    for words in (["stages", "run=r"], ["stages.ingest", "run=r"]):
        done = command(*words, f"runs={catalogue.parent}", f"input.path={catalogue}")
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr == f"error: {record} has format 2, of a newer Reelmill: this one knows 1\n"
    assert sorted(catalogue.parent.rglob("*")) == before


@pytest.mark.parametrize("content", ["{", "[]", '{"format": 1, "words": []}'])
def test_a_record_that_cannot_be_read_is_named(catalogue: Path, content: str) -> None:
    (catalogue.parent / "r").mkdir()
    (catalogue.parent / "r" / "run.json").write_text(content)
    done = ingest(catalogue, f"input.path={catalogue}")
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: {catalogue.parent}/r/run.json is no ")
    assert done.stderr.count("\n") == 1


def test_a_config_that_is_only_shown_has_what_the_run_remembers(catalogue: Path) -> None:
    assert ingest(catalogue, f"input.path={catalogue}").returncode == 0
    done = command("stages", "clips", "run=r", f"runs={catalogue.parent}", "--cfg", "job", "-p", "input")
    assert done.stdout.splitlines()[-1] == f"path: {catalogue}"
    assert done.stderr == f"as the run remembers: input.path={catalogue}\n"
