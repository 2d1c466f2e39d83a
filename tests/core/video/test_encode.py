"""Cut clips: exact to the frame, whole or not there, with their sound."""

import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest

from slurm.errors import ItemError
from stages.core.video.encode import Clip, Encoding, cut, failure, ffmpeg_path
from stages.core.video.packets import open_video

Make = Callable[..., Path]
ENCODING = Encoding("libx264", 18, "ultrafast", "96k", 1)


def cut_of(source: Path, start_s: float, end_s: float, out: Path, encoding: Encoding = ENCODING) -> Clip:
    with open_video(str(source), 10**8, 10**5) as video:
        facts = video.facts
    return cut(str(source), start_s, end_s, float(facts.fps), out, source=facts, encoding=encoding)


def numbers(path: Path) -> list[int]:
    """The frame numbers that a clip of `numbered` shows."""
    with open_video(str(path), 10**8, 10**5) as video:
        lumas = [f.to_ndarray(format="gray").astype(float) for _, f in video.frames()]
    columns = np.array([luma.reshape(luma.shape[0], 8, 20).mean(axis=(0, 2)) for luma in lumas])
    return [int(n) for n in (columns > 120) @ (2 ** np.arange(8))]


def sound(path: Path) -> tuple[float, np.ndarray]:
    """When the sound starts, and its samples, 48,000 a second."""
    with av.open(str(path)) as container:
        frames = list(container.decode(audio=0))
    assert frames[0].time is not None
    return frames[0].time, np.concatenate([frame.to_ndarray()[0] for frame in frames])


@pytest.mark.parametrize(("first", "end"), [(0, 1), (0, 100), (1, 2), (13, 60), (49, 51), (50, 77), (99, 100)])
def test_clip_has_exactly_its_frames(numbered: Path, tmp_path: Path, first: int, end: int) -> None:
    clip = cut_of(numbered, first / 25, end / 25, tmp_path / "clip.mp4")
    assert numbers(tmp_path / "clip.mp4") == list(range(first, end))
    assert clip.frames == end - first
    assert clip.duration_s == pytest.approx((end - first) / 25, abs=0.002)
    assert (clip.width_px, clip.height_px) == (160, 96)
    assert clip.bytes == (tmp_path / "clip.mp4").stat().st_size


@pytest.mark.parametrize("suffix", [".mkv", ".mov", ".ts"])
@pytest.mark.parametrize("rate", ["30000/1001", "60"])
def test_clip_is_exact_in_other_containers_and_rates(numbered: Path, tmp_path: Path, suffix: str, rate: str) -> None:
    source, out = tmp_path / f"source{suffix}", tmp_path / "clip.mp4"
    retimed = ["-i", str(numbered), "-vf", f"setpts=N/({rate})/TB", "-r", rate, "-g", "40", "-c:a", "copy"]
    subprocess.run([ffmpeg_path(), "-nostdin", "-v", "error", *retimed, str(source)], check=True)
    with open_video(str(source), 10**8, 10**5) as video:
        times = [time_s for time_s, _ in video.frames()]
    for first, end in ((7, 31), (45, 93)):
        assert cut_of(source, times[first], times[end], out).frames == end - first
        assert numbers(out) == numbers(source)[first:end]


def test_borders_between_frames_keep_what_lies_in_the_span(numbered: Path, tmp_path: Path) -> None:
    cut_of(numbered, 0.41, 0.81, tmp_path / "clip.mp4")  # frames 10 (0.40 s) and 20 (0.80 s)
    assert numbers(tmp_path / "clip.mp4") == list(range(11, 21))


def test_neighbouring_clips_share_no_frame_and_lose_none(numbered: Path, tmp_path: Path) -> None:
    seen = []
    for n, (start, end) in enumerate(((0.5, 1.333), (1.333, 2.0), (2.0, 2.02), (2.02, 3.1))):
        cut_of(numbered, start, end, tmp_path / f"{n}.mp4")
        seen += numbers(tmp_path / f"{n}.mp4")
    assert seen == list(range(13, 78))


def test_sound_stays_with_the_picture(make: Make, tmp_path: Path) -> None:
    # a flash and a beep together, at 1.00 s, 2.00 s and 3.00 s, each 0.2 s long
    picture = "color=black:s=64x64:r=25:d=4,drawbox=c=white:t=fill:enable='gte(t,1)*lt(mod(t,1),0.2)'"
    beep = "volume='gte(t,1)*lt(mod(t,1),0.2)':eval=frame,asetnsamples=64"
    source = make("flash.mp4", picture, "-af", f"asetnsamples=64,{beep}", "-pix_fmt", "yuv420p", sound=4)
    out = tmp_path / "clip.mp4"
    assert cut_of(source, 1.6, 3.6, out).has_audio
    with open_video(str(out), 10**8, 10**5) as video:
        flash_s = next(time_s for time_s, f in video.frames() if f.to_ndarray(format="gray").mean() > 128)
    start_s, samples = sound(out)
    beep_s = start_s + int(np.argmax(np.abs(samples) > 0.05)) / 48_000
    assert flash_s == pytest.approx(0.4, abs=0.001)
    assert beep_s == pytest.approx(0.4, abs=0.01)
    assert start_s + len(samples) / 48_000 == pytest.approx(2, abs=0.05)


def test_sound_that_begins_later_is_preceded_by_silence(make: Make, tmp_path: Path) -> None:
    source = make("late_sound.mp4", "testsrc=s=64x64:r=25:d=4", "-af", "adelay=2000,atrim=start=2",
                  "-pix_fmt", "yuv420p", sound=1)  # fmt: skip
    clip = cut_of(source, 1.0, 3.0, tmp_path / "clip.mp4")
    assert (clip.frames, clip.has_audio) == (50, True)
    start_s, samples = sound(tmp_path / "clip.mp4")
    first_loud_s = start_s + int(np.argmax(np.abs(samples) > 0.02)) / 48_000
    assert start_s == pytest.approx(0, abs=0.03)
    assert first_loud_s == pytest.approx(1.0, abs=0.03)


def test_silent_video_gives_a_clip_without_sound(make: Make, tmp_path: Path) -> None:
    silent = make("silent.mp4", "testsrc=s=65x63:r=25:d=1", "-pix_fmt", "yuv444p")
    clip = cut_of(silent, 0, 1, tmp_path / "clip.mp4")
    assert not clip.has_audio
    assert (clip.width_px, clip.height_px) == (64, 62)  # 4:2:0 has even sides


def test_variable_rate_keeps_its_times(make: Make, tmp_path: Path) -> None:
    kept = "testsrc=s=64x48:r=25:d=4,select='not(between(n,30,60))'"
    source = make("gap_to_cut.mkv", kept, "-fps_mode", "passthrough", "-pix_fmt", "yuv420p")
    cut_of(source, 1.0, 3.0, tmp_path / "clip.mp4")
    with open_video(str(tmp_path / "clip.mp4"), 10**8, 10**5) as video:
        times = [time_s for time_s, _ in video.frames()]
    assert times == pytest.approx([n / 25 - 1 for n in range(25, 75) if not 30 <= n <= 60], abs=0.001)


def test_span_without_a_frame_leaves_nothing_behind(numbered: Path, tmp_path: Path) -> None:
    with pytest.raises(ItemError) as caught:
        cut_of(numbered, 50, 52, tmp_path / "clip.mp4")
    assert caught.value.code == "encode_failed"
    assert list(tmp_path.iterdir()) == []


def test_failed_encode_says_why_and_keeps_the_old_clip(numbered: Path, tmp_path: Path) -> None:
    out = tmp_path / "clip.mp4"
    out.write_bytes(b"old")
    wrong = Encoding("libx264", 18, "no_such_preset", "96k", 1)
    with pytest.raises(ItemError) as caught:
        cut_of(numbered, 0, 1, out, wrong)
    assert caught.value.code == "encode_failed"
    assert caught.value.detail
    assert out.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [out]


@pytest.mark.parametrize("blow", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_ffmpeg_that_was_stopped_is_not_the_items_fault(tmp_path: Path, blow: signal.Signals) -> None:
    endless = ["-nostdin", "-v", "error", "-re", "-f", "lavfi", "-i", "testsrc=s=64x64", str(tmp_path / "endless.mkv")]
    with subprocess.Popen([ffmpeg_path(), *endless], stderr=subprocess.PIPE, text=True) as running:
        time.sleep(0.5)
        running.send_signal(blow)
        _, said = running.communicate(timeout=10)
    assert isinstance(failure(running.returncode, said), RuntimeError)


def test_full_disk_is_not_the_items_fault() -> None:
    said = "av_interleaved_write_frame(): No space left on device\nConversion failed!"
    assert isinstance(failure(1, said), RuntimeError)
