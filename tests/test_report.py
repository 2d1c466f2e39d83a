"""The report of a real small run agrees with its tables and is one file."""

import json
import re
import subprocess
import sys
from base64 import b64encode
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path

import pytest
from support.runs import ProbeRun

from slurm.errors import ITEM_CODES
from slurm.record.manifest import Step
from stages.core.video.cut.encode import ffmpeg_path

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
    assert [link for link in page.links if not link.startswith(("data:image/jpeg;base64,", "#"))] == [
        "explorer/index.html"
    ]
    assert len(page.links) > 1
    assert not re.search(r"url\(|@import", page.source)
    assert not {"link", "iframe", "object"} & set(page.tags)
    (script,) = re.findall(r"<script>(.*)</script>", page.source, re.DOTALL)
    digest = b64encode(sha256(script.encode()).digest()).decode()
    assert f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}';" in page.source
    assert [path.name for path in (real / "report").glob("*report.html*")] == ["report.html"]


def test_an_explorer_lies_beside_the_page(real: Path) -> None:
    folder = real / "report" / "explorer"
    assert (folder / "index.html").exists()
    text = (folder / "data" / "index.js").read_text()
    rows = {name: Step(real, name).kept().collect().height for name in ("ingest", "split")}
    assert json.loads(json.loads(text.removeprefix("take(").removesuffix(");\n")))["clips"] == rows["split"]
    assert not [path for path in (real / "report").iterdir() if path.name.startswith(".explorer")]


def test_names_of_the_run_are_shown_as_text(real: Path) -> None:
    page = Page(real / "report")
    assert HOSTILE in page.text
    assert "<b>empty" in page.text
    assert page.source.count("<script") == 1  # ours
    assert "<b>empty" not in page.source


def test_failures_say_code_count_meaning_and_an_example(real: Path) -> None:
    (failure,) = Page(real / "report").tables["failures"][1:]
    assert failure[:4] == ["analyze", "empty", "1", ITEM_CODES["empty"]]
    assert re.match(r"b-empty-[0-9a-f]{10} /.*/<b>empty\.mp4$", failure[4])


def test_real_run_shows_limits_config_cost_and_key_frames(real: Path) -> None:
    page = Page(real / "report")
    assert {"min 0.002", "max 0.5", "min 0.03", "max 0.9"} <= set(
        re.findall(r">((?:min|max) [\d.]+)</text>", page.source)
    )
    assert ["rules.luma.max", "0.9"] in page.tables["config"]
    assert [row[2] for row in page.tables["costs"][1:]] == [*["1 of 1"] * 4, ""]  # the last is their sum
    assert page.tags.count("img") == 3
    assert re.findall(r'class="badge".*?>(.*?)<', page.source) == ["kept", "kept", "motion.min"]


def test_a_report_is_made_without_a_step_that_failed_and_again_when_that_is_done(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = ProbeRun(tmp_path, 4, "cluster.executor=local", "cluster.cpus=1", "chunks.n=2")
    run.order(0, "raise")
    assert run.submit("+stage@steps.report=report") == 1
    assert "report: 1/1 chunks done, made without probe, not finished" in capsys.readouterr().out
    page = Page(run.run / "report")
    assert "probe is not in this report: 1 of its 2 chunks are done." in page.text
    assert list(page.funnel()) == ["ingest"]
    (run.folder / f"{run.names[0]}.raise").unlink()
    assert run.resume()["report"].survey.complete()
    page = Page(run.run / "report")
    assert "not in this report" not in page.text
    assert list(page.funnel()) == ["ingest", "probe"]


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run over two sources that grew by a video of a third one, was swept, and whose report was made again."""
    folder = tmp_path_factory.mktemp("grown")
    for name, picture in (("one", SHOTS), ("two", SHOTS), ("still", "color=gray:s=128x72:r=25:d=3")):
        command = [ffmpeg_path(), "-v", "error", "-f", "lavfi", "-i", picture, "-t", "6", "-pix_fmt", "yuv420p"]
        subprocess.run([*command, str(folder / f"{name}.mp4")], check=True)
    (folder / "empty.mp4").touch()
    listed, rows = folder / "list.csv", ["a,one.mp4", "a,empty.mp4", "b,still.mp4"]

    def command_over(rows: list[str], *words: str) -> None:
        listed.write_text("\n".join(["source,path", *(row.replace(",", f",{folder}/") for row in rows)]) + "\n")
        run = ["run=grown", f"runs={folder}", f"input.path={listed}", "cluster.executor=debug"]
        subprocess.run([sys.executable, "-m", *words, *run], check=True, cwd=ROOT, capture_output=True)

    recipe = ("stages", "clips", "~stage@steps.cut")
    command_over(rows, *recipe)
    rows.append("c,two.mp4")
    command_over(rows, *recipe, "extend=true")
    command_over(rows, "stages.filter", "-m", "rules.motion.min=0.0,0.05,1000")
    command_over(rows, "stages.report", "overwrite=report", "price.cpu_hour=36000", "price.currency=EUR")
    return folder / "grown"


def test_what_is_kept_of_each_source_of_a_run_that_grew_agrees_with_its_tables(grown: Path) -> None:
    page = Page(grown / "report")
    catalogue = Step(grown, "ingest").kept().collect().select("video_id", "source")
    read = Step(grown, "analyze").kept().collect().join(catalogue, on="video_id")
    made = Step(grown, "split").scan()
    assert made is not None
    whole = made.collect().join(catalogue, on="video_id")
    kept = Step(grown, "filter").kept().collect().join(whole, on="clip_id")
    shown = {row[0]: row[1:8] for row in page.tables["sources"][1:]}
    assert list(shown) == ["a", "b", "c"]
    for name, (videos, failed, length, clips, *_, share) in shown.items():
        of_source = [table.filter(source=name) for table in (catalogue, read, whole, kept)]
        assert (videos, failed) == (str(len(of_source[0])), "1" if name == "a" else "0")
        assert clips == f"{len(of_source[3])} of {len(of_source[2])}"
        read_s, kept_s = (sum(of_source[n]["duration_s"]) for n in (1, 3))
        assert length == f"{read_s:.1f} s"
        assert share == (f"{100 * kept_s / read_s:.3g} %" if kept_s else "0 %")
    assert page.funnel()["ingest"][1] == "4 videos"
    assert sum(Step(grown, name).plan.n for name in ("analyze", "split")) == 4  # a chunk each came later


def test_points_of_a_sweep_stand_beside_the_run(grown: Path) -> None:
    points = [f"rules.motion.min={value}" for value in ("0.0", "0.05", "1000")]
    names = {"as in the run": "filter", **{words: f"filter@{words}" for words in points}}
    shown = {row[1]: row for row in Page(grown / "report").tables["points"][1:]}
    assert list(shown) == list(names)
    for words, name in names.items():
        records = Step(grown, name).all_done()
        rows, kept = (sum(getattr(done, field) for done in records) for field in ("rows_out", "rows_kept"))
        assert shown[words][2:4] == [str(rows), str(kept)]
    assert shown["rules.motion.min=1000"][3] == "0"
    assert "motion.min" in shown["rules.motion.min=1000"][7]


def test_cost_is_that_of_the_done_records_at_the_prices_that_were_set(grown: Path, real: Path) -> None:
    header, *rows, total = Page(grown / "report").tables["costs"]
    assert header[3:8] == ["CPU-h", "GPU-h", "EUR", "CPU-h a kept hour", "EUR a kept hour"]
    hours = {row[0]: sum(d.seconds * d.cpus for d in Step(grown, row[0]).all_done()) / 3600 for row in rows}
    kept_h = sum(Step(grown, "report").kept().collect().filter(step="filter")["hours"])
    assert float(total[3]) == pytest.approx(sum(hours.values()), abs=1e-4)
    assert float(total[5]) == pytest.approx(36000 * sum(hours.values()), abs=0.01)
    assert float(total[6].replace(",", "")) == pytest.approx(sum(hours.values()) / kept_h, rel=1e-3)
    assert not [title for title in Page(real / "report").tables["costs"][0] if title.startswith(("USD", "EUR"))]


def test_the_report_says_where_things_lie_and_how_they_were_set(grown: Path) -> None:
    page = Page(grown / "report")
    for row in page.tables["places"][1:]:
        assert all((grown / path).is_dir() for cell in row[1:] for path in cell.split())
    assert ["input.path", f"input.path={grown.parent}/list.csv"] in page.tables["settings"]
    assert "cluster.executor" in [row[0] for row in page.tables["resources"]]


def test_the_same_report_again_has_the_same_bytes(grown: Path) -> None:
    before = (grown / "report" / "report.html").read_bytes()
    words = ["run=grown", f"runs={grown.parent}", "cluster.executor=debug", "overwrite=report"]
    subprocess.run([sys.executable, "-m", "stages.report", *words], check=True, cwd=ROOT, capture_output=True)
    assert (grown / "report" / "report.html").read_bytes() == before
