"""Downloads from a site as a user runs them: odd values, and subtitles that the site refuses for a while."""

import subprocess
from pathlib import Path

import polars as pl
from support.runs import ROOT, command
from support.site import VideoSite

from slurm.record.manifest import Step
from stages.core.video.cut.encode import ffmpeg_path

QUICK = ("cluster.cpus=1", "pace.requests_per_s=null", "pace.back_off_s=[0.1,0.2]")
CHANGED = ["transcript", "words", "loss", "notes"]


def rows(runs: Path) -> pl.DataFrame:
    found = Step(runs / "r", "download").scan()
    assert found is not None
    return found.collect()


def test_subtitles_that_were_refused_are_fetched_by_resume_and_the_video_is_not(tmp_path: Path) -> None:
    film = ["-f", "lavfi", "-i", "testsrc2=size=160x120:rate=10:duration=1", "-pix_fmt", "yuv420p"]
    (tmp_path / "media").mkdir()
    subprocess.run([ffmpeg_path(), "-v", "error", *film, str(tmp_path / "media" / "a.mp4")], check=True)
    env = {"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"}  # where yt-dlp finds the site's extractor
    where = ("run=r", f"runs={tmp_path / 'runs'}")
    with VideoSite(tmp_path / "media") as site:
        site.files["en.vtt"] = b"WEBVTT\n\n00:00.000 --> 00:01.000\nhello there\n"
        formats = [{"format_id": "a", "url": "/a.mp4", "ext": "mp4", "vcodec": "avc1", "acodec": "none"}]
        tracks = {"en_GB": [{"ext": "vtt", "url": "/en.vtt"}]}
        odd = {"title": "half \ud83d", "fulltitle": "half \ud83d", "view_count": 1e30}
        page = site.page("one", formats=formats, subtitles=tracks, **odd)
        (tmp_path / "list.txt").write_text(f"{page}\n{site.url('a.mp4')}\n")
        site.fault("en.vtt", 429)
        first = command("stages.download", *where, *QUICK, f"input.path={tmp_path / 'list.txt'}", env=env)
        assert first.returncode == 0, first.stderr
        before = rows(tmp_path / "runs")
        assert before["error"].to_list() == [None, None]
        assert before["loss"].to_list() == ["subtitles_failed", None]
        assert before.select("title", "views", "transcript").row(0) == ("half ?", None, None)
        assert [note for note in before["notes"][0] if note.startswith("views=1e+30")]
        site.mend("en.vtt")
        again = command("slurm", "resume", *where, env=env)
        assert again.returncode == 0, again.stderr
        after = rows(tmp_path / "runs")
        assert after["transcript"].to_list() == ["hello there", None]
        assert after["loss"].null_count() == 2
        assert after.drop(CHANGED).equals(before.drop(CHANGED))
        assert [request.path for request in site.requests].count("a.mp4") == 2
        asked = len(site.requests)
        assert command("slurm", "resume", *where, env=env).returncode == 0
        assert len(site.requests) == asked
