"""The page that helps to choose a threshold: what it counts, the labels that it takes, and its own words."""

import json
import math
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from support.scored import TITLE, scored_run

from scripts.tune.__main__ import main
from scripts.tune.curve import MOST, make_curve
from scripts.tune.labels import read_labels, score
from scripts.tune.scores import Asked, Scores, read_scores
from slurm.errors import InputError

SCORES: dict[str, list[float | None]] = {
    "v:22": [0.69], "v:10": [0.61], "v:3": [0.60, 0.17], "w:1": [0.1, 0.2], "w:2": [0.3], "w:3": [0.05, math.nan],
    "w:4": [], "w:5": [None],
}  # fmt: skip


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight clips of two videos, six of them with watermark scores of their frames."""
    return scored_run(tmp_path_factory.mktemp("tune") / "r", SCORES)


def read(run: Path, **more: object) -> Scores:
    none = {"step": None, "column": "watermark", "reduce": None, "keep": None, "threshold": None}
    return read_scores(Asked(run, **{**none, **more}))  # type: ignore[arg-type]


def values(scores: Scores) -> dict[str, float]:
    return {key: round(value, 6) for key, value in scores.known.select("id", "value").iter_rows()}


def test_lists_are_reduced_as_the_rule_does_and_its_limit_is_where_the_page_begins(run: Path) -> None:
    scores = read(run)
    means = {"w:3": 0.05, "w:1": 0.15, "w:2": 0.3, "v:3": 0.385, "v:10": 0.61, "v:22": 0.69}
    assert values(scores) == means
    assert list(values(scores)) == list(means)  # those that are kept longest first
    assert (scores.keep, scores.threshold, scores.reduce, scores.nan) == ("below", 0.3, "mean", 1)
    assert "keeps 3 of 6 rows of r/split; 2 rows have no number and are in no count; 1 numbers are NaN" in scores.told()


@pytest.mark.parametrize(
    ("reduce", "keep", "of_3"),
    [
        *(("max", "below", 0.6), ("first", "below", 0.6), ("last", "below", 0.17), ("quantile(0.5)", "below", 0.385)),
        *(("all", "below", 0.6), ("any", "below", 0.17), ("all", "above", 0.17), ("any", "above", 0.6)),
    ],
)
def test_of_all_and_any_the_element_counts_that_decides(run: Path, reduce: str, keep: str, of_3: float) -> None:
    assert values(read(run, reduce=reduce, keep=keep))["v:3"] == pytest.approx(of_3)


def test_a_column_that_the_step_does_not_judge_is_found_and_one_that_nobody_gives_is_refused(run: Path) -> None:
    scores = read(run, column="start_s")
    assert (scores.keep, scores.reduce, scores.threshold) == ("above", None, 15.0)
    with pytest.raises(InputError, match=r"column=beauty: no step gives it .* frames \(watermark\)"):
        read(run, column="beauty")
    with pytest.raises(InputError, match="String is no number"):
        read(run, column="title")
    with pytest.raises(InputError, match="reduce=middle: there are mean"):
        read(run, reduce="middle")
    with pytest.raises(InputError, match="keep=under"):
        read(run, keep="under")


def test_each_threshold_tells_the_rows_and_hours_that_it_keeps(run: Path) -> None:
    curve = make_curve(read(run, threshold=0.5))
    assert curve["rows"].to_list() == [0, 1, 2, 3, 4, 4, 5, 6]
    assert curve["hours"].to_list() == pytest.approx([n * 10 / 3600 for n in (0, 1, 2, 3, 4, 4, 5, 6)])
    assert 0.5 in curve["threshold"]
    above = make_curve(read(run, keep="above"))
    assert above["rows"].to_list() == [6, 5, 4, 3, 2, 1, 0]


def test_a_million_rows_are_a_few_hundred_thresholds(run: Path) -> None:
    random = np.random.default_rng(0)
    table = pl.DataFrame({"id": [str(n) for n in range(100_000)], "value": random.random(100_000)})
    scores = read(run)._replace(
        table=table.with_columns(hours=pl.lit(1 / 3600), values=pl.lit(None, pl.List(pl.Float64)))
    )
    curve = make_curve(scores)
    assert MOST <= len(curve) <= MOST + 2
    for at, rows in curve.sample(20, seed=0).select("threshold", "rows").iter_rows():
        assert rows == (table["value"] <= at).sum()


def labels(folder: Path, text: str) -> Path:
    (folder / "labels.csv").write_text(text)
    return folder / "labels.csv"


def test_labels_give_precision_recall_and_f1_at_every_threshold(run: Path, tmp_path: Path) -> None:
    scores = read(run)
    given = read_labels(labels(tmp_path, "id,keep\nw:3,1\nw:1,yes\nw:2,0\nv:3,1\nv:22,no\nw:5,0\n"), scores)
    found = score(given, scores)
    assert found.curve["threshold"].to_list() == pytest.approx([0.05, 0.15, 0.3, 0.385, 0.69])
    assert found.curve["precision"].to_list() == pytest.approx([1, 1, 2 / 3, 3 / 4, 3 / 5])
    assert found.curve["recall"].to_list() == pytest.approx([1 / 3, 2 / 3, 2 / 3, 1, 1])
    assert found.curve["f1"].to_list() == pytest.approx([1 / 2, 4 / 5, 2 / 3, 6 / 7, 3 / 4])
    assert found.best["threshold"] == pytest.approx(0.385)
    assert (found.labels, found.kept) == (6, 3)
    low, high = found.f1_interval
    assert 0 <= low <= found.best["f1"] <= high <= 1
    assert found.threshold_interval[0] <= 0.385 <= found.threshold_interval[1]
    assert score(given.sort("id"), scores).curve.equals(found.curve)


def test_a_row_without_a_score_that_should_be_kept_costs_recall(run: Path, tmp_path: Path) -> None:
    scores = read(run)
    found = score(read_labels(labels(tmp_path, "id,keep\nw:3,1\nw:5,1\n"), scores), scores)
    assert found.best["recall"] == pytest.approx(0.5)


def test_the_interval_of_many_labels_holds_the_true_threshold_and_is_the_same_each_time(run: Path) -> None:
    random = np.random.default_rng(1)
    value = random.random(2000)
    keep = (value < 0.4) ^ (random.random(2000) < 0.1)
    given = pl.DataFrame({"id": [f"{n:04d}" for n in range(2000)], "value": value, "keep": keep})
    first, again = score(given, read(run)), score(given, read(run))
    assert first.threshold_interval == again.threshold_interval
    low, high = first.threshold_interval
    assert low <= 0.4 <= high + 0.01  # values lie 0.0005 apart
    assert high - low < 0.2
    assert first.f1_interval[1] - first.f1_interval[0] < 0.1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("id,keep\nw:3,1\nnobody,0\n", r"1 of 2 ids are no clip_id of r/split: nobody; ids there: v:22, v:10, v:3, …"),
        ("id,keep\nw:3,1\nw:3,0\nw:1,1\n", "1 ids stand there more than once: w:3"),
        ("id,label\nw:3,1\n", "has no column keep; it has: id, label"),
        ("w:3,1\n", "has no column id"),
        ("id,keep\nw:3,1\nw:1,perhaps\n", "line 3: id='w:1' keep='perhaps'"),
        ("id,keep\nw:3,\n", "line 2: id='w:3' keep=None"),
        ("id,keep\n", "has no labels"),
        ("", "cannot be read"),
    ],
)
def test_labels_that_cannot_be_used_are_an_error_that_says_why(run: Path, tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        read_labels(labels(tmp_path, text), read(run))


def test_the_page_is_one_file_without_anything_from_outside_and_all_text_is_escaped(run: Path, tmp_path: Path) -> None:
    file = labels(tmp_path, "id,keep\nw:3,1\nv:22,0\n")
    main([f"run={run}", "column=watermark", f"labels={file}", f"out={tmp_path / 'page.html'}"])
    page = (tmp_path / "page.html").read_text()
    assert TITLE not in page
    assert "&lt;script&gt;alert" in page
    assert not re.search(r"""(src|href)=["'](?!data:image/jpeg;base64,|#)""", page)
    assert "http" not in re.sub("http-equiv", "", page)
    assert page.count("<article") == 6
    assert page.count("data:image/jpeg;base64,") == 6  # each clip has a key frame of its own
    assert "0.6, 0.17" in page
    data = json.loads(re.search(r'id="data">(.*?)</script>', page)[1])  # type: ignore[index]
    assert data["rows"][-1] == 6
    assert [label[0] for label in data["labels"]] == ["w:3", "v:22"]
    table = pl.read_parquet(tmp_path / "page.parquet")
    assert table.filter(threshold=0.05)["f1"].to_list() == [1.0]


def test_the_nearest_rows_of_both_sides_are_shown(run: Path) -> None:
    assert read(run).nearest(1)["id"].to_list() == ["w:2", "v:3"]
    assert read(run).nearest(2)["id"].to_list() == ["w:1", "w:2", "v:3", "v:10"]


def test_the_command_says_where_the_page_is_and_what_is_wrong(run: Path) -> None:
    def command(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "scripts.tune", *words], capture_output=True, text=True, check=False
        )

    done = command(f"run={run}", "column=watermark", "threshold=0.2")
    assert done.returncode == 0, done.stderr
    assert "mean of watermark ≤ 0.2 keeps 2 of 6 rows" in done.stdout
    assert (run / "sweeps" / "tune" / "filter" / "watermark.html").exists()
    wrong = command(f"run={run}", "column=watermark", "treshold=0.2")
    assert (wrong.returncode, wrong.stderr.startswith("error: treshold=0.2: no such key")) == (2, True)
