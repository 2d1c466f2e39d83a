"""A short storm: whatever it did, no row is lost, no chunk needs a hand, and `clean` leaves nothing behind."""

import json
from pathlib import Path

import pytest

from scripts.bench.__main__ import Tree, in_turns
from scripts.bench.lines import ROOT, Line
from scripts.bench.storm.report import judged

HARD = (
    "rows lost",
    "rows doubled",
    "rows different",
    "chunks that need a hand",
    "item_crashed though no worker of the item was killed",
    "orphan files after clean",
)


@pytest.mark.slow
def test_after_a_short_storm_every_row_is_there_once(tmp_path: Path, slurm: Path) -> None:
    keys = {"seed": "1", "small": "true"}
    figures, failures = in_turns("storm", keys, [Tree("here", ROOT)], 1, tmp_path)
    assert not failures
    lines = {what: by_tree["here"][0] for what, by_tree in figures.items()}
    report = json.loads((tmp_path / "storm" / "here" / "storm-1.json").read_text())
    assert {what: lines[what].measured for what in HARD} == dict.fromkeys(HARD, 0), json.dumps(report, indent=1)
    done = lines["faults"].measured
    assert isinstance(done, int) and done > 0
    assert sum(report["kinds"].values()) == done == len(report["faults"])


def test_a_bar_that_does_not_hold_is_named() -> None:
    lines = [Line("rows lost", 2, bar=0), Line("begins per item", 1.1, bar=1.15), Line("faults", 7)]
    assert judged(lines) == ["rows lost: 2.000"]
