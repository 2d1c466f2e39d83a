"""The report of a real small run agrees with its tables, is one file, and any recipe gets one."""

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from slurm.attempt import Attempt
from slurm.files import write_table
from slurm.manifest import Done, Plan, Step, fingerprint, steps
from stages.core.report.thumbnails import evenly, fair
from stages.core.video.encode import ffmpeg_path
from stages.report import Config, run

ROOT = Path(__file__).parents[1]
SHOTS = "testsrc2=s=128x72:r=25:d=3[a];mandelbrot=s=128x72:r=25,trim=duration=3[b];[a][b]concat=n=2"
HOSTILE = "<script>alert(1)<x"


class Page(HTMLParser):
    """What the page says: the texts of its table cells, by the table's class; its links; and all of its text."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.source = (folder / "report.html").read_text()
        self.tables: dict[str, list[list[str]]] = {}
        self.tags: list[str] = []
        self.links: list[str] = []
        self.text = ""
        self._rows: list[list[str]] = []
        self._cell: list[str] | None = None
        self.feed(self.source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("src", "href", "xlink:href", "srcset", "data")]
        if tag == "table":
            self._rows = self.tables.setdefault(str(dict(attrs)["class"]).split()[0], [])
        elif tag == "tr":
            self._rows.append([])
        elif tag in ("td", "th"):
            self._cell = []

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th") and self._cell is not None:
            self._rows[-1].append(" ".join(self._cell))
            self._cell = None

    def handle_data(self, data: str) -> None:
        self.text += data
        if self._cell is not None and data.strip():
            self._cell.append(data.strip())

    def funnel(self) -> dict[str, list[str]]:
        """Step or loss → in, out, kept, dropped, failed, share, length as they are shown."""
        return {row[0]: row[-7:] for row in self.tables["funnel"][1:]}


def reported(run_folder: Path, **config: int) -> tuple[pl.DataFrame, Page]:
    """The report's table and page, made from all steps of a run."""
    folder = run_folder / "report"
    folder.mkdir(parents=True, exist_ok=True)
    inputs = {name: Step(run_folder, name) for name in steps(run_folder) if name != "report"}
    tables = run(inputs, Config(**{"thumbnails": 6, "bins": 10, **config}), folder)
    return tables["rows"], Page(folder)


def made(step: Step, rows: pl.DataFrame, inputs: tuple[str, ...] = (), **about: Any) -> Step:
    """A step that is done, with these rows in one part."""
    tables: dict[str, pl.DataFrame] = about.pop("tables", {})
    gives = {name: str(dtype) for name, dtype in rows.schema.items()}
    identity = {"stage": step.name, **{f"upstream.{i}": Step(step.run, i).plan.fingerprint for i in inputs}}
    key = "clip_id" if "clip_id" in rows.columns else "video_id"
    settled: dict[str, Any] = {
        **{"stage": step.name, "kind": "map", "entry": "", "n": 1, "inputs": list(inputs), "aligned": False},
        **{"key": key, "item_key": key, "gives": gives, "tables": sorted(tables), "identity": identity},
        **{"fingerprint": fingerprint(identity), **about},
    }
    step.create(Plan(**settled))
    write_table(step.part_path("000/0.parquet"), rows)
    for name, table in tables.items():
        write_table(step.part_path("000/0.parquet", name), table)
    failed = len(rows.drop_nulls("error")) if "error" in rows.columns else 0
    record: dict[str, Any] = {
        **{"chunk": 0, "fingerprint": step.plan.fingerprint, "part": "000/0.parquet", "tables": sorted(tables)},
        **{"rows_in": len(rows), "rows_out": len(rows), "rows_kept": 0, "rows_failed": failed, "errors": {}},
        **{"seconds": 36.0, "wasted_s": 0.0, "cpus": 2, "gpus": 0, "attempt": "a", "host": "h", "ended": 0.0},
    }
    step.finish(Done(**record))
    return step


def verdicts(*reasons: str | None) -> pl.DataFrame:
    columns = {"clip_id": [f"c{i}" for i in range(len(reasons))], "drop_reason": reasons, "error": None}
    return pl.DataFrame(columns, schema_overrides={"drop_reason": pl.String, "error": pl.String})


def clips(lengths_s: list[float | None]) -> pl.DataFrame:
    n = len(lengths_s)
    columns = {"clip_id": [f"c{i}" for i in range(n)], "video_id": ["v"] * n, "duration_s": lengths_s, "error": None}
    return pl.DataFrame(columns, schema_overrides={"duration_s": pl.Float64, "error": pl.String})


def scored(values: list[float | None], **rule: Any) -> dict[str, Any]:
    """The values and the config of a filter step with one rule, `score`."""
    table = pl.DataFrame(
        {"rule": ["score"] * len(values), "value": values}, schema={"rule": pl.String, "value": pl.Float64}
    )
    limits = {"column": None, "reduce": "mean", "min": None, "max": None, **rule}
    return {"tables": {"values": table}, "config": {"rules": {"score": limits}}}


def histogram(page: Page) -> str:
    """The line below the histogram."""
    found = re.search(r'class="card histogram">.*?<p class="small">(.*?)</p>', page.source, re.S)
    assert found
    return re.sub(r"<[^>]*>", "", found[1])


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run through the stages: a video of two shots, one that stands still, an empty one with a hostile name."""
    folder = tmp_path_factory.mktemp("report")
    videos = folder / "videos"
    videos.mkdir()
    for name, picture in ((HOSTILE, SHOTS), ("still", "color=gray:s=128x72:r=25:d=3")):
        command = [ffmpeg_path(), "-v", "error", "-f", "lavfi", "-i", picture, "-t", "6", "-pix_fmt", "yuv420p"]
        subprocess.run([*command, str(videos / f"{name}.mp4")], check=True)
    (videos / "<b>empty.mp4").touch()
    for words in (["ingest", f"input.path={videos}"], ["filter", "rules.luma.max=0.9"], ["report", "bins=10"]):
        command = [sys.executable, "-m", f"stages.{words[0]}", "run=real", f"runs={folder}", *words[1:]]
        subprocess.run([*command, "cluster.executor=debug"], check=True, cwd=ROOT, capture_output=True)
    return folder / "real"


def test_funnel_of_a_real_run_agrees_with_its_tables(real: Path) -> None:
    table = Step(real, "report").kept().collect()
    funnel = Page(real / "report").funnel()
    assert table["step"].to_list() == ["ingest", "analyze", "split", "filter"]
    for row in table.iter_rows(named=True):
        rows, step = Step(real, row["step"]).scan(), Step(real, row["step"])
        assert rows is not None
        whole, kept = rows.collect(), step.kept().collect()
        assert (row["rows_out"], row["rows_kept"]) == (len(whole), len(kept))
        unit = "clips" if step.plan.key == "clip_id" else "videos"
        assert funnel[step.name][1:3] == [f"{len(whole)} {unit}", str(len(kept))]
    assert table["rows_in"].to_list() == [None, 3, 2, 3]
    assert table["rows_failed"].to_list() == [0, 1, 0, 0]
    spans = Step(real, "split").kept().collect()
    filtered = Step(real, "filter").kept().collect().join(spans, on="clip_id")
    hours = [None, *(sum(x["duration_s"]) / 3600 for x in (Step(real, "analyze").kept().collect(), spans, filtered))]
    assert table["hours"].to_list() == pytest.approx(hours)
    assert funnel["ingest"][-1] == "–"
    assert funnel["filter"][-1] == f"{filtered['duration_s'].sum():.1f} s"
    assert funnel["dropped: motion.min"][-4] == "1"


def test_page_asks_for_nothing_from_elsewhere(real: Path) -> None:
    page = Page(real / "report")
    assert page.links
    assert all(link.startswith("data:image/jpeg;base64,") for link in page.links)
    assert not re.search(r"url\(|@import", page.source)
    assert not {"script", "link", "iframe", "object"} & set(page.tags)
    assert [path.name for path in (real / "report").glob("*report.html*")] == ["report.html"]


def test_names_of_the_run_are_shown_as_text(real: Path) -> None:
    page = Page(real / "report")
    assert HOSTILE in page.text
    assert "<b>empty" in page.text
    assert "<script" not in page.source
    assert "<b>empty" not in page.source


def test_failures_say_code_count_meaning_and_an_example(real: Path) -> None:
    (failure,) = Page(real / "report").tables["failures"][1:]
    assert failure[:4] == ["analyze", "empty", "1", "the file has zero bytes"]
    assert re.match(r"b-empty-[0-9a-f]{10} /.*/<b>empty\.mp4$", failure[4])


def test_real_run_shows_limits_config_cost_and_key_frames(real: Path) -> None:
    page = Page(real / "report")
    assert {"min 0.002", "max 0.5", "min 0.03", "max 0.9"} <= set(
        re.findall(r">((?:min|max) [\d.]+)</text>", page.source)
    )
    assert ["rules.luma.max", "0.9"] in page.tables["config"]
    assert [row[2] for row in page.tables["costs"][1:]] == ["1 of 1"] * 4
    assert page.tags.count("img") == 3
    assert re.findall(r'class="badge".*?>(.*?)<', page.source) == ["kept", "kept", "motion.min"]


def test_length_comes_from_the_nearest_step_that_knows_it(tmp_path: Path) -> None:
    made(Step(tmp_path, "split"), clips([3600.0, 1800.0, 900.0]))
    made(Step(tmp_path, "filter"), verdicts(None, "score.min", None), ("split",))
    made(Step(tmp_path, "cut"), clips([3601.0, None, None]), ("filter",))
    table, page = reported(tmp_path)
    assert table["hours"].to_list() == pytest.approx([1.75, 1.25, (3601 + 1800 + 900) / 3600])
    assert page.funnel()["filter"][-1] == "1.25 h"
    assert page.funnel()["dropped: score.min"][-1] == "30.0 min"


def test_length_that_is_not_known_is_not_zero(tmp_path: Path) -> None:
    made(Step(tmp_path, "none"), clips([None, None]))
    made(Step(tmp_path, "some"), clips([60.0, None]))
    made(Step(tmp_path, "empty"), clips([]))
    table, page = reported(tmp_path)
    assert dict(table.select("step", "hours").iter_rows()) == {"none": None, "some": None, "empty": 0.0}
    assert {name: row[-1] for name, row in page.funnel().items()} == {"none": "–", "some": "≥ 1.0 min", "empty": "0 s"}


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ({"min": 0.25, "max": 0.75}, "6 values · 2 below · 1 above · 1 without a value · dropped 2"),
        ({"min": 0.25}, "6 values · 2 below · 1 without a value · dropped 2"),
        ({"min": 0.9, "max": 0.9, "reduce": "all"}, "6 values · 5 below · 1 without a value · dropped 2"),
        ({"min": 0.9, "reduce": "any"}, "6 values · 1 below · 1 without a value · dropped 2"),
    ],
)
def test_histogram_counts_what_lies_beyond_the_limits(tmp_path: Path, rule: dict[str, Any], said: str) -> None:
    values = [0.0, 0.2, 0.25, 0.5, 0.75, 1.0, None]
    rows = verdicts("score.min", "score.null", "other.min", None, None, None, None)
    made(Step(tmp_path, "filter"), rows, **scored(values, **rule))
    _, page = reported(tmp_path)
    assert histogram(page) == said


@pytest.mark.parametrize("values", [[], [None], [2.0, 2.0], [0.0], [float("inf"), 1.0], [1e300, -1e300], [0, 1, 1e9]])
def test_histogram_of_any_values_is_drawn(tmp_path: Path, values: list[float | None]) -> None:
    made(Step(tmp_path, "filter"), verdicts(*[None] * len(values)), **scored(values, min=1.0, max=1e12))
    _, page = reported(tmp_path)
    known = [value for value in values if value is not None]
    assert histogram(page).startswith(f"{len(known)} values · {sum(v < 1 for v in known)} below")


def test_two_filters_under_two_names_are_told_apart(tmp_path: Path) -> None:
    made(Step(tmp_path, "split"), clips([1.0, 2.0, 3.0]))
    made(Step(tmp_path, "filter_a"), verdicts(None, "score.min", None), ("split",), **scored([3, 1, 2], min=2))
    made(Step(tmp_path, "filter_b"), verdicts(None, None, "score.max"), ("split",), **scored([3, 1, 5], max=4))
    _, page = reported(tmp_path)
    assert {"min 2", "max 4"} <= set(re.findall(r">((?:min|max) [\d.]+)</text>", page.source))
    assert [page.funnel()[name][2] for name in ("filter_a", "filter_b")] == ["2", "2"]


def test_all_failed_one_row_and_no_step_at_all_have_a_page(tmp_path: Path) -> None:
    failed = pl.DataFrame({"video_id": ["a", "b"], "error": ["corrupt", "corrupt"], "error_detail": ["x<y", "z"]})
    made(Step(tmp_path / "failed", "analyze"), failed)
    table, page = reported(tmp_path / "failed")
    assert table["rows_kept"].to_list() == [0]
    assert page.tables["failures"][1][1:3] == ["corrupt", "2"]
    made(Step(tmp_path / "one", "ingest"), pl.DataFrame({"video_id": ["a"]}), kind="reduce")
    assert reported(tmp_path / "one")[1].funnel()["ingest"][:3] == ["–", "1 videos", "1"]
    assert len(reported(tmp_path / "nothing")[0]) == 0


def test_thumbnails_are_shared_fairly_and_spread_evenly() -> None:
    assert fair([100, 3, 1], 8) == [4, 3, 1]
    assert fair([2, 1], 8) == [2, 1]
    assert fair([], 8) == []
    assert evenly(100, 4) == [12, 37, 62, 87]
    assert evenly(2, 4) == [0, 1]


def test_failed_attempts_are_counted_by_cause(tmp_path: Path) -> None:
    step = made(Step(tmp_path, "split"), clips([1.0]))
    about = {"job": "local", "restart": 0, "host": "h", "pid": 1, "node": "n", "log": "", "submission": "0000"}
    for name, cause in (("a", "done"), ("b", "out_of_memory"), ("c", "stopped"), ("d", "out_of_memory"), ("e", None)):
        attempt = Attempt(step, 0, name, {})
        attempt.event("start", fingerprint=step.plan.fingerprint, **about)
        if cause:
            attempt.event("end", cause=cause)
    _, page = reported(tmp_path)
    assert page.tables["costs"][1][-1] == "2 × out_of_memory , 1 × ended without a word"
