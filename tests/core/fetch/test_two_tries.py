"""Two live processes that attempt the same video: the stored file is complete, and both give the same row."""

import os
import signal
import struct
import subprocess
import sys
import time
from hashlib import sha256
from pathlib import Path

import pytest
from support.runs import until
from support.site import VideoSite, streams

from stages.core.storage.partial import SYNC_BYTES

SIZE_BYTES, PER_S = 3 * SYNC_BYTES, 20_000_000
PROGRAM = """
import sys
from dataclasses import replace
from pathlib import Path
import yaml
from pydantic import TypeAdapter
from stages.core.schema.catalogue import ABOUT
from stages.download import Config, download_video
given = yaml.safe_load(Path("conf/stage/download.yaml").read_text())
config = TypeAdapter(Config).validate_python({key: given[key] for key in Config.__dataclass_fields__})
config = replace(config, pace=replace(config.pace, requests_per_s=None))
row = {**dict.fromkeys(ABOUT), "video_id": "v", "path": None, "url": sys.argv[1], "from_s": None, "to_s": None}
(found,) = download_video(row, config, sys.argv[2], Path(sys.argv[2], "pace"))["rows"]
print(found["path"], found["sha256"], found["bytes"])
"""


def padded(clip: Path) -> bytes:
    """The clip with a box behind it that no player reads."""
    content = clip.read_bytes()
    padding = os.urandom(1 << 20) * (SIZE_BYTES >> 20)
    return content + struct.pack(">I4s", len(padding) + 8, b"free") + padding


def started(url: str, store: Path) -> "subprocess.Popen[str]":
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(["tests", "."])}
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, url, str(store)], stdout=subprocess.PIPE, text=True, env=env
    )


def told(process: "subprocess.Popen[str]") -> list[str]:
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    return out.split()


def on_disk(store: Path) -> int:
    return sum(path.stat().st_size for path in (store / ".partial").rglob("*") if path.is_file())


def sent(site: VideoSite, name: str) -> int:
    return sum(request.sent_bytes for request in site.asked(name))


@pytest.mark.slow
def test_the_second_process_resumes_from_what_is_on_the_disk(site: VideoSite, film: Path, tmp_path: Path) -> None:
    content = site.files["big.mp4"] = padded(film / "h264+aac_72.mp4")
    site.fault("big.mp4", "slow", PER_S)
    first = started(site.url("big.mp4"), tmp_path)
    until(lambda: on_disk(tmp_path) > SYNC_BYTES + (1 << 20), every=0.02)
    time.sleep(0.1)
    second = started(site.url("big.mp4"), tmp_path)
    rows = [told(process) for process in (first, second)]
    assert rows[0] == rows[1]
    assert rows[0][1:] == [sha256(content).hexdigest(), str(len(content))]
    assert Path(rows[0][0]).read_bytes() == content
    went_on = site.asked("big.mp4")[1].range
    assert went_on is not None
    assert int(went_on[6:-1]) % SYNC_BYTES == 0
    assert not list((tmp_path / ".partial").iterdir())


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["http", "site"])
def test_one_that_wakes_when_another_has_finished_spoils_nothing(
    site: VideoSite, film: Path, tmp_path: Path, kind: str
) -> None:
    if kind == "http":
        name, url = "big.mp4", site.url("big.mp4")
        site.files[name] = padded(film / "h264+aac_72.mp4")
        site.fault(name, "slow", PER_S)
    else:
        name = "aac.m4a"
        url = site.page("one", "h264_216.mp4", name)
        site.fault(name, "slow", 150_000, times=1)
    first = started(url, tmp_path)
    until(lambda: sent(site, name) > (film / "aac.m4a").stat().st_size // 2, every=0.02)
    first.send_signal(signal.SIGSTOP)
    row = told(started(url, tmp_path))
    file = Path(row[0])
    content = file.read_bytes()
    assert row[1:] == [sha256(content).hexdigest(), str(len(content))]
    first.send_signal(signal.SIGCONT)
    assert told(first) == row
    assert file.read_bytes() == content
    assert streams(file)["frames"] == 250
    assert not list((tmp_path / ".partial").iterdir())
