"""Freezes, motion, looks and the gathering of samples into seconds, on clips with known truth."""

import re
import subprocess
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from scripts.sample_corpus import Film, Shot, picture
from stages.core.video.cut.encode import ffmpeg_path
from stages.core.video.measure.freeze import FreezeDetector, Span, native_difference, share
from stages.core.video.measure.look import LookMeter
from stages.core.video.measure.meter import Meter
from stages.core.video.measure.motion import MotionMeter, Sample, camera_flow, within_shots
from stages.core.video.read.frames import Orientation, Planes, Small, shrink, small_size
from stages.core.video.read.packets import open_video

Make = Callable[..., Path]


def measure(path: Path, noise: float = 0.001, min_s: float = 1.0) -> tuple[list[Span], list[Sample], LookMeter]:
    with open_video(str(path), 10**8, 10**5) as video:
        freezes, motion, look = FreezeDetector(noise, min_s), MotionMeter(4, 0.06, []), LookMeter()
        meters: tuple[Meter, ...] = (freezes, motion, look)
        for number, (time_s, frame) in enumerate(video.frames()):
            small = shrink(frame, small_size(frame, 256))
            for meter in meters:
                meter.add(number, time_s, small)
        for meter in meters:
            meter.finish(video.end_s(time_s))
        return freezes.spans, motion.samples, look


def freezedetect(path: Path, noise: float, min_s: float, end_s: float) -> list[Span]:
    """The freezes that ffmpeg's own filter tells of."""
    chain = f"freezedetect=n={noise}:d={min_s}"
    command = [ffmpeg_path(), "-nostdin", "-i", str(path), "-map", "0:v:0", "-vf", chain, "-f", "null", "-"]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stderr
    starts, ends = (re.findall(rf"freeze_{what}: ([0-9.]+)", said) for what in ("start", "end"))
    ends += [end_s] * (len(starts) - len(ends))  # it says nothing of the end of the file
    return [(float(start), float(end)) for start, end in zip(starts, ends, strict=True)]


def mean(samples: list[Sample], field: str = "motion") -> float:
    return float(np.mean([getattr(sample, field) for sample in samples]))


@pytest.mark.parametrize("noise", [0.0003, 0.001, 0.01])
@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv444p", "yuv420p10le"])
def test_freezes_are_those_of_ffmpegs_freezedetect(make: Make, noise: float, pix_fmt: str) -> None:
    halting = "testsrc2=s=320x180:r=25:d=9,select='not(between(n,40,100))+not(mod(n,61))',setpts=PTS-STARTPTS,fps=25"
    grain = "noise=c0s=4:c0f=t:enable='between(t,5,9)'"
    path = make(f"halting_{pix_fmt}.mkv", f"{halting},{grain},format={pix_fmt}", "-c:v", "ffv1")
    spans, _, _ = measure(path, noise, 0.5)
    wanted = freezedetect(path, noise, 0.5, 9.0)
    assert wanted
    assert len(spans) == len(wanted)
    assert np.abs(np.array(spans) - np.array(wanted)).max() <= 2 / 25


def test_freeze_is_found_within_two_frames(make: Make) -> None:
    still = "testsrc2=s=160x90:r=25:d=1.6,loop=loop=50:size=1:start=30,setpts=N/25/TB"  # frame 30 is shown 51 times
    spans, _, _ = measure(make("freeze.mp4", still, "-pix_fmt", "yuv420p"))
    assert len(spans) == 1
    assert spans[0] == pytest.approx((30 / 25, 81 / 25), abs=2 / 25)


def test_pictures_of_another_size_or_depth_are_not_the_same() -> None:
    def planes(width_px: int, bits: int) -> Planes:
        samples = np.zeros((4, width_px), np.uint8)
        return Planes(samples, lambda: (samples, samples), 1 / 3, bits, False, False, Orientation(0))

    assert native_difference(planes(4, 8), planes(4, 8)) == 0
    assert native_difference(planes(4, 8), planes(8, 8)) == 1
    assert native_difference(planes(4, 8), planes(4, 10)) == 1


def test_video_that_is_still_to_its_end_is_frozen_all_along(make: Make) -> None:
    spans, samples, _ = measure(
        make("still.mp4", "testsrc=s=160x90:r=25,trim=end_frame=1,loop=49:1", "-pix_fmt", "yuv420p")
    )
    assert share(spans, 0, 2) == pytest.approx(1)
    assert max(sample.motion for sample in samples) < 0.002


@pytest.mark.parametrize("speed", [0.02, 0.15, 0.6, 1.2])
def test_motion_is_the_speed_of_a_pan_in_either_direction(wall: Callable[[float], Path], speed: float) -> None:
    for signed in (speed, -speed):
        spans, samples, _ = measure(wall(signed))
        assert spans == []
        assert len(samples) == pytest.approx(8, abs=1)
        for field in ("motion", "motion_median", "camera"):
            assert mean(samples, field) == pytest.approx(speed, rel=0.1, abs=0.0035)
        assert mean(samples, "object") < 0.15 * speed + 0.001
        assert mean(samples, "moving") > 0.9


@pytest.mark.parametrize("arguments", [["-crf", "35"], ["-crf", "18"]])
def test_grain_and_coding_of_a_still_picture_are_no_motion(make: Make, arguments: list[str]) -> None:
    still = picture(Film("", (), 320, 180), Shot(1, 0, 5), 50)
    name = f"grain{arguments[1]}.mp4"
    _, samples, _ = measure(make(name, f"{still},noise=c0s=12:c0f=t", "-pix_fmt", "yuv420p", *arguments))
    assert mean(samples) < 0.002
    assert mean(samples, "moving") < 0.05


def test_what_moves_before_a_still_background_is_an_object_and_no_camera(make: Make) -> None:
    film = Film("", (), 320, 180)
    thing = f"{picture(film, Shot(1, 0, 9), 50)},crop=120:90:40:40[t]"
    path = make(
        "thing.mp4",
        f"{picture(film, Shot(1, 0, 5), 50)}[w];{thing};[w][t]overlay=x=20+2*n:y=40,format=yuv420p",
        "-pix_fmt",
        "yuv420p",
    )
    _, samples, _ = measure(path)
    truth = 2 * 25 / 320 * (120 * 90) / (320 * 180)  # two pixels a frame, of the pixels that the thing covers
    assert mean(samples) == pytest.approx(truth, rel=0.25)
    assert mean(samples, "camera") < 0.1 * truth
    assert mean(samples, "object") == pytest.approx(mean(samples), rel=0.1)
    assert mean(samples, "motion_median") < 0.002 < mean(samples, "motion_p90")
    assert mean(samples, "moving") == pytest.approx(120 * 90 / (320 * 180), abs=0.08)


def test_the_cameras_flow_is_found_under_what_goes_its_own_way() -> None:
    y, x = np.mgrid[-1:1:18j, -1:1:32j]
    zoom = np.dstack([3 + 2 * x, 2 * y]).astype(np.float32)
    flow = zoom.copy()
    flow[4:12, 5:15] = (-9, 4)
    known = np.ones((18, 32), bool)
    found, unknown = camera_flow(np.stack([flow, flow]), np.stack([known, np.zeros_like(known)]))
    assert np.abs(found - zoom).max() < 0.1
    assert not unknown.any()


def test_motion_of_a_very_wide_strip_is_measured(make: Make) -> None:
    _, samples, _ = measure(make("strip.mkv", "testsrc2=s=640x8:r=25:d=1", "-c:v", "ffv1"))
    assert len(samples) == 4


def test_motion_is_measured_where_frames_are_rarer_than_samples() -> None:
    motion = MotionMeter(per_s=4, gap_s=0.06, borders_s=[])
    for second in range(4):
        motion.add(second, float(second), blank(32, 64))
    motion.finish(4.0)
    assert [(s.start_s, s.end_s) for s in motion.samples] == [(0, 1), (1, 2), (2, 3)]


def blank(height_px: int, width_px: int) -> Small:
    luma = np.zeros((height_px, width_px), np.uint8)
    return Small(luma, Planes(luma, lambda: (luma, luma), 1 / 3, 8, False, False, Orientation(0)))


def still(start_s: float, end_s: float, speed: float = 1.0) -> Sample:
    return Sample(start_s, end_s, speed, speed, speed, 1.0, speed, 0.0, speed, 0.0, 0.0, 0.0)


def test_motion_across_a_cut_is_left_out() -> None:
    samples = [still(start, end) for start, end in pairwise([0.0, 1.0, 2.0, 3.0])]
    assert within_shots(samples, [1.5]) == [samples[0], samples[2]]
    assert within_shots(samples, [2.0]) == [samples[0], samples[2]]
    assert within_shots(samples, []) == samples
    borders_s: list[float] = []
    motion = MotionMeter(per_s=4, gap_s=0.06, borders_s=borders_s)
    for second in range(4):
        motion.add(second, float(second), blank(32, 64))
    borders_s.append(2.0)  # known only later
    motion.finish(4.0)
    assert {name: of.start_s.tolist() for name, of in motion.signals().items()} == {
        name: [0, 2]
        for name in (
            "motion",
            "motion_median",
            "motion_p90",
            "moving",
            "camera",
            "object",
            "pan_x",
            "pan_y",
            "zoom",
            "roll",
        )
    }


@pytest.mark.parametrize(
    ("what", "field", "bounds"),
    [
        ("color=black", "black", (1.0, 1.0)),
        ("color=white", "white", (1.0, 1.0)),
        ("color=gray", "colour", (0.0, 2.0)),
        ("color=red", "colour", (60.0, 200.0)),
        ("color=navy", "contrast", (0.0, 0.01)),
        ("color=black:s=320x180,drawbox=w=160:h=180:color=white:t=fill", "contrast", (0.48, 0.52)),
    ],
)
def test_pictures_look_as_they_were_made(make: Make, what: str, field: str, bounds: tuple[float, float]) -> None:
    _, _, look = measure(make(f"look_{what[6:9]}_{len(what)}.mp4", f"{what},trim=end_frame=25", "-pix_fmt", "yuv420p"))
    assert all(bounds[0] <= getattr(sample, field) <= bounds[1] for sample in look.samples)


def test_looks_are_told_twice_a_second_in_order_however_many(make: Make) -> None:
    _, _, look = measure(make("looks_long.mp4", "color=gray:s=64x64:r=4,trim=end=31", "-pix_fmt", "yuv420p"))
    assert [sample.time_s for sample in look.samples] == pytest.approx([n / 2 for n in range(62)])
    assert look.interlaced() == 0


def test_a_blurred_picture_is_less_sharp(make: Make) -> None:
    wall = picture(Film("", (), 320, 180), Shot(1, 0, 5), 25)
    sharp, blurred = (
        measure(make(f"sharp_{name}.mp4", f"{wall}{blur}", "-pix_fmt", "yuv420p"))[2].samples[0].sharpness
        for name, blur in (("no", ""), ("yes", ",gblur=sigma=6"))
    )
    assert blurred < 0.4 * sharp


@pytest.mark.parametrize(
    ("name", "pad", "borders"),
    [
        ("none", "null", (0, 0, 0, 0)),
        ("letterbox", "pad=320:240:0:30", (0, 30 / 240, 0, 30 / 240)),
        ("pillarbox", "pad=400:180:20:0", (20 / 400, 0, 60 / 400, 0)),
    ],
)
def test_black_bars_are_measured(make: Make, name: str, pad: str, borders: tuple[float, ...]) -> None:
    path = make(f"bars_{name}.mp4", f"testsrc2=s=320x180:r=25:d=1,{pad}", "-pix_fmt", "yuv420p")
    assert measure(path)[2].borders() == pytest.approx(borders, abs=0.02)


def test_fields_of_different_times_are_told_from_frames(make: Make) -> None:
    moving = picture(Film("", (), 640, 360), Shot(1, 0.4, 5), 100)
    woven = make("woven.mkv", f"{moving},tinterlace=interleave_top:flags=0,setsar=1", "-c:v", "ffv1")
    plain = make("plain.mkv", f"{moving},setsar=1", "-c:v", "ffv1")
    assert measure(woven)[2].interlaced() == 1
    assert measure(plain)[2].interlaced() == 0
