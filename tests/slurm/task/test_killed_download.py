"""Downloads on the real Slurm: killed in the middle, they go on where they were."""

import struct
import subprocess
from pathlib import Path

import polars as pl
import pytest
from support.runs import command, until
from support.slurm import ask
from support.web import Web

from slurm.control.survey import survey
from slurm.record.manifest import Step
from stages.core.fetch.web.partial import NOTED_BYTES
from stages.core.video.cut.encode import ffmpeg_path

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("slurm")]

FILES, SIZE_BYTES, PER_S = 12, 12_000_000, 4_000_000


def test_a_download_that_is_killed_fetches_nothing_twice_that_was_whole(tmp_path: Path) -> None:
    clip = made_clip(tmp_path / "clip.mp4")
    names = [f"v{number:02d}" for number in range(FILES)]
    with Web(files={f"{name}.mp4": padded(clip, name) for name in names}) as web:
        for name in names:
            web.fault(f"{name}.mp4", "slow", PER_S)
        rows = [{"video_id": name, "url": web.url(f"{name}.mp4")} for name in names]
        pl.DataFrame(rows).write_parquet(tmp_path / "list.parquet")
        words = ("run=r", f"runs={tmp_path}/runs", "cluster=devcluster", "chunks.n=1", "items.at_once=2")
        done = command("stages.download", *words, env={"VIDEOS": str(tmp_path / "list.parquet")})
        assert done.returncode == 0, done.stderr
        step, media = Step(tmp_path / "runs" / "r", "download"), tmp_path / "runs" / "r" / "download" / "media"
        until(lambda: len(list(media.glob("*/??/*.mp4"))) >= 3, 90, every=0.05)
        (window,) = survey(step).windows
        ask("scancel", "--signal=KILL", "--full", window.job)
        until(lambda: not survey(step).active, 60)
        whole = {path.stem for path in media.glob("*/??/*.mp4")}
        sent = {request.path.removesuffix(".mp4"): request.sent_bytes for request in web.requests}
        begun = {name for name in sent.keys() - whole if sent[name] > NOTED_BYTES + (1 << 20)}
        assert sent.keys() - whole
        assert not step.all_done()
        before = len(web.requests)
        assert command("slurm", "resume", "run=r", f"runs={tmp_path}/runs").returncode == 0
        until(lambda: survey(step).complete(), 120)
        table = step.kept().select("video_id", "path", "sha256", "bytes").collect()
        assert table["video_id"].to_list() == names
        for path, content in zip(table["path"], web.files.values(), strict=True):
            assert Path(path).read_bytes() == content
        later = {request.path.removesuffix(".mp4") for request in web.requests[before:]}
        assert not later & whole
        gone_on = [request for request in web.requests[before:] if request.path.removesuffix(".mp4") in begun]
        assert all(request.range for request in gone_on), "what was begun is gone on with"


def made_clip(file: Path) -> bytes:
    """A video of two seconds."""
    source = ["-f", "lavfi", "-i", "testsrc2=size=320x180:rate=25:duration=2", "-pix_fmt", "yuv420p"]
    subprocess.run([ffmpeg_path(), "-nostdin", "-v", "error", *source, str(file)], check=True)
    return file.read_bytes()


def padded(clip: bytes, name: str) -> bytes:
    """The clip with a box behind it that no player reads, so that every file is another one of the same size."""
    padding = name.encode() * (SIZE_BYTES // len(name))
    return clip + struct.pack(">I4s", len(padding) + 8, b"free") + padding
