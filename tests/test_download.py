"""The download stage as a user runs it: every kind of address, honest failures, nothing fetched twice."""

import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from subprocess import CompletedProcess

import polars as pl
import pytest
from support.runs import ROOT, command, until
from support.web import Web

from slurm.record.manifest import Step
from stages.core.video.cut.encode import ffmpeg_path

CELL_BYTES = 2_000_000
QUICK = ("cluster.cpus=2", "items.at_once=4", "pace.requests_per_s=null")


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """a.mp4 … d.mp4, of one second and of different content."""
    folder = tmp_path_factory.mktemp("media")
    for number, name in enumerate("abcd"):
        picture = f"testsrc2=size=160x120:rate=10:duration=1,hue=h={90 * number}"
        sound = f"sine=frequency={440 + number}:duration=1"
        inputs = ["-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", sound]
        ffmpeg = [ffmpeg_path(), "-nostdin", "-v", "error", *inputs, "-pix_fmt", "yuv420p", str(folder / f"{name}.mp4")]
        subprocess.run(ffmpeg, check=True)
    return folder


@pytest.fixture
def web(media: Path) -> Iterator[Web]:
    with Web(media) as web:
        yield web


class Run:
    """A run over a list of videos."""

    def __init__(self, folder: Path, rows: list[dict[str, object]]) -> None:
        self.folder, self.list = folder, folder / "list.parquet"
        pl.DataFrame(rows, infer_schema_length=None).write_parquet(self.list)

    def download(self, *words: str, run: str = "r") -> CompletedProcess[str]:
        where = (f"run={run}", f"runs={self.folder / 'runs'}", *QUICK, *words)
        return command("stages.download", *where, env={"VIDEOS": str(self.list)})

    def begun(self, *words: str) -> "subprocess.Popen[bytes]":
        where = ("run=r", f"runs={self.folder / 'runs'}", *QUICK, *words)
        command = [sys.executable, "-m", "stages.download", *where]
        return subprocess.Popen(command, cwd=ROOT, env={**os.environ, "VIDEOS": str(self.list)})

    def resume(self, *words: str) -> CompletedProcess[str]:
        return command("slurm", "resume", "run=r", f"runs={self.folder / 'runs'}", *words)

    def rows(self, run: str = "r", table: str = "rows") -> dict[str, dict[str, object]]:
        found = Step(self.folder / "runs" / run, "download").scan(table)
        assert found is not None
        return {row["video_id"]: row for row in found.collect().iter_rows(named=True)}


def test_each_kind_of_address_becomes_a_file_that_was_probed(tmp_path: Path, media: Path, web: Web) -> None:
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        archive.write(media / "c.mp4", "in/c.mp4")
    web.files["all.zip"] = (tmp_path / "all.zip").read_bytes()
    cell = pl.DataFrame({"mp4": [None, (media / "d.mp4").read_bytes()]})
    cell.write_parquet(tmp_path / "cells.parquet")
    run = Run(
        tmp_path,
        [
            {"video_id": "local", "path": str(media / "a.mp4"), "title": "A"},
            {"video_id": "http", "path": web.url("b.mp4"), "title": "B"},
            {"video_id": "zip", "path": f"zip://in/c.mp4::{web.url('all.zip')}", "title": None},
            {"video_id": "cell", "path": f"parquet://mp4@1::{tmp_path}/cells.parquet", "title": None},
            {"video_id": "none", "path": f"parquet://mp4@0::{tmp_path}/cells.parquet", "title": None},
        ],
    )
    done = run.download()
    assert done.returncode == 0, done.stderr
    rows = run.rows()
    assert {key: row["error"] for key, row in rows.items()} == {
        "local": None, "http": None, "zip": None, "cell": None, "none": "removed",
    }  # fmt: skip
    assert {key: row["kind"] for key, row in rows.items() if row["error"] is None} == {
        "local": "local", "http": "http", "zip": "zip", "cell": "cell",
    }  # fmt: skip
    for key, name in {"local": "a", "http": "b", "zip": "c", "cell": "d"}.items():
        content, row = (media / f"{name}.mp4").read_bytes(), rows[key]
        path = Path(str(row["path"]))
        assert path.read_bytes() == content
        assert (row["bytes"], row["sha256"]) == (len(content), sha256(content).hexdigest())
        assert (row["container"], row["codec"], row["audio_codec"]) == ("mp4", "h264", "aac")
        assert (row["width_px"], row["height_px"], row["fps"]) == (160, 120, 10.0)
        assert row["duration_s"] == pytest.approx(1.0, abs=0.1)
    assert Path(str(rows["local"]["path"])).is_symlink()
    assert (rows["local"]["title"], rows["http"]["title"]) == ("A", "B")
    assert not list(run.folder.glob("runs/r/download/media/*/.partial/*")), "nothing half-done is left"


def cells(media: Path) -> bytes:
    """A Parquet file whose column `mp4` has four videos of CELL_BYTES, a row group each."""
    films = [(media / f"{name}.mp4").read_bytes() for name in "abcd"]
    spare = [(CELL_BYTES - len(film)).to_bytes(4, "big") + b"free" for film in films]
    whole = [(film + box).ljust(CELL_BYTES, b"x") for film, box in zip(films, spare, strict=True)]
    file = BytesIO()
    pl.DataFrame({"mp4": whole}).write_parquet(file, compression="uncompressed", row_group_size=1)
    return file.getvalue()


def in_cell(web: Web, name: str, row: int) -> dict[str, object]:
    return {"video_id": f"{name}{row}", "path": f"parquet://mp4@{row}::{web.url(name)}"}


def test_cells_are_fetched_at_the_runs_pace(tmp_path: Path, media: Path, web: Web) -> None:
    web.files["cells.parquet"] = cells(media)
    run = Run(tmp_path, [in_cell(web, "cells.parquet", n) for n in range(4)])
    assert run.download("pace.requests_per_s=4").returncode == 0
    assert {row["error"] for row in run.rows().values()} == {None}
    asked_s = [request.at_s for request in web.asked("cells.parquet", "GET")]
    assert len(asked_s) >= 4
    assert asked_s[-1] - asked_s[0] > 0.8 * (len(asked_s) - 1) / 4


def test_when_it_is_to_stop_no_more_cells_are_fetched_and_those_that_are_stay(
    tmp_path: Path, media: Path, web: Web
) -> None:
    names = ("one.parquet", "two.parquet")
    for name in names:
        web.files[name] = cells(media)
        web.fault(name, "slow", CELL_BYTES, only="GET")
    run = Run(tmp_path, [in_cell(web, name, n) for name in names for n in range(4)])
    with run.begun("cluster.executor=debug") as process:
        until(lambda: any(run.folder.rglob("*.partial/*/*/*.mp4")), every=0.02)
        process.terminate()
        process.wait(20)
    assert not web.asked("two.parquet")
    staged = {path.stem for path in run.folder.rglob("*.partial/*/*/*.mp4")}
    assert 0 < len(staged) < 4
    for name in names:
        web.mend(name)
    web.requests.clear()
    assert run.resume().returncode == 0
    assert {row["error"] for row in run.rows().values()} == {None}
    sent = sum(request.sent_bytes for request in web.asked("one.parquet"))
    assert sent < len(web.files["one.parquet"])


def test_what_cannot_be_had_says_why_and_only_what_passes_is_tried_again(tmp_path: Path, web: Web) -> None:
    web.files |= {"page.mp4": b"<html>no video here</html>", "empty.mp4": b""}
    web.fault("down.mp4", 500)
    web.fault("secret.mp4", 403)
    names = ["a", "gone", "page", "empty", "down", "secret", "b"]
    web.files["down.mp4"] = web.content("c.mp4") or b""
    run = Run(tmp_path, [{"video_id": name, "url": web.url(f"{name}.mp4")} for name in names])
    assert run.download().returncode == 0
    errors = {key: row["error"] for key, row in run.rows().items()}
    assert errors == {
        "a": None, "b": None, "gone": "removed", "page": "corrupt", "empty": "empty", "down": "network",
        "secret": "private",
    }  # fmt: skip
    web.mend("down.mp4")
    web.requests.clear()
    said = run.resume()
    assert "1 again after rows that failed in passing" in said.stdout
    assert {request.path for request in web.requests} == {"down.mp4"}
    assert run.rows()["down"]["error"] is None
    web.mend("secret.mp4")
    assert "private" in str(run.rows()["secret"]["error"])
    web.files["secret.mp4"] = web.files["down.mp4"]
    assert run.resume("retry=private").returncode == 0
    assert run.rows()["secret"]["error"] is None
    assert "retry=privat: no such error" in run.resume("retry=privat").stderr


def test_a_store_that_is_shared_gives_a_file_to_the_next_run_without_a_request(tmp_path: Path, web: Web) -> None:
    run = Run(tmp_path, [{"video_id": name, "url": web.url(f"{name}.mp4")} for name in "abc"])
    store = f"store.root={tmp_path / 'store'}"
    assert run.download(store).returncode == 0
    web.requests.clear()
    assert run.download(store, run="again").returncode == 0
    assert web.requests == []
    assert run.rows("again") == run.rows()
    Path(str(run.rows()["b"]["path"])).write_bytes(b"torn")
    assert run.download(store, run="third").returncode == 0
    assert {request.path for request in web.requests} == {"b.mp4"}
    assert run.rows("third") == run.rows()


def test_a_host_that_wants_a_pause_gets_it_and_then_the_chunk_waits_for_resume(tmp_path: Path, web: Web) -> None:
    for name in "bcd":
        web.fault(f"{name}.mp4", 429)
    run = Run(tmp_path, [{"video_id": name, "url": web.url(f"{name}.mp4")} for name in "abcd"])
    done = run.download("pace.back_off_s=[0.2,0.4]", "pace.back_offs=2", "items.at_once=1", "items.workers=1")
    assert done.returncode == 1
    assert "unavailable" in done.stdout + done.stderr
    assert "pace.requests_per_s" in done.stdout + done.stderr
    refused = [request for request in web.requests if request.status == 429]
    assert len(refused) <= 3, "the list was not burnt through"
    for name in "bcd":
        web.mend(f"{name}.mp4")
    web.requests.clear()
    assert run.resume().returncode == 0
    assert {key: row["error"] for key, row in run.rows().items()} == dict.fromkeys("abcd")
    assert "a.mp4" not in {request.path for request in web.requests}


def test_how_fast_it_goes_may_change_and_what_is_fetched_may_not(tmp_path: Path, web: Web) -> None:
    run = Run(tmp_path, [{"video_id": "a", "url": web.url("a.mp4")}])
    assert run.download().returncode == 0
    assert run.download("pace.requests_per_s=2", "items.at_once=2").returncode == 0
    other = run.download("formats.height_px=480")
    assert other.returncode == 2
    assert "config.formats.height_px: 1080 → 480" in other.stderr


def test_secrets_stay_where_they_lie(tmp_path: Path, web: Web) -> None:
    proxies, cookies = tmp_path / "proxies.txt", tmp_path / "cookies.txt"
    proxies.write_text(f"http://ann:s3cretpw@{web.host}\n")
    cookies.write_text("# Netscape HTTP Cookie File\n127.0.0.1\tFALSE\t/\tFALSE\t0\tsid\tc00kievalue\n")
    web.fault("b.mp4", 403)
    run = Run(tmp_path, [{"video_id": name, "url": web.url(f"{name}.mp4")} for name in "ab"])
    done = run.download(f"access.proxies={proxies}", f"access.cookies={cookies}")
    assert done.returncode == 0
    sent = {request.path: request.headers for request in web.requests}
    assert "sid=c00kievalue" in sent["a.mp4"]["cookie"]
    assert "proxy-authorization" in sent["a.mp4"]
    written = b"".join(path.read_bytes() for path in (tmp_path / "runs").rglob("*") if path.is_file())
    for secret in (b"s3cretpw", b"c00kievalue"):
        assert secret not in written + done.stdout.encode() + done.stderr.encode()


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("store.root=nowhere://x", "store.root"),
        ("access.cookies=/no/such/cookies.txt", "access.cookies"),
        ("access.proxies=/no/such/proxies.txt", "access.proxies"),
        ("limits.max_gb=0", "limits.max_gb"),
        ("formats.container=avi", "formats.container"),
    ],
)
def test_a_key_that_does_not_fit_is_named_before_anything_is_done(tmp_path: Path, word: str, told: str) -> None:
    run = Run(tmp_path, [{"video_id": "a", "url": "http://127.0.0.1:9/a.mp4"}])
    done = run.download(word)
    assert done.returncode == 2
    assert told in done.stderr
    assert not (tmp_path / "runs" / "r" / "download").exists()
