"""The report of a real small run agrees with its tables and is one file."""

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
    assert page.links
    assert all(link.startswith(("data:image/jpeg;base64,", "#")) for link in page.links)
    assert not re.search(r"url\(|@import", page.source)
    assert not {"link", "iframe", "object"} & set(page.tags)
    (script,) = re.findall(r"<script>(.*)</script>", page.source, re.DOTALL)
    digest = b64encode(sha256(script.encode()).digest()).decode()
    assert f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}';" in page.source
    assert [path.name for path in (real / "report").glob("*report.html*")] == ["report.html"]


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
