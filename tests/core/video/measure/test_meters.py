"""Meters: one shape, and signals that are declared once and reduced to seconds and to the whole video."""

from itertools import pairwise

import numpy as np
import pytest

from stages.core.schema.clip import CLIP
from stages.core.schema.second import (
    CLIP_SIGNALS,
    MEASURED,
    SIGNALS,
    Signal,
    clip_columns,
    second_columns,
    video_columns,
)
from stages.core.schema.video import VIDEO
from stages.core.video.measure.meter import Meter
from stages.core.video.measure.one_pass import make_meters
from stages.core.video.measure.settings import Decoder, Freeze, Limits, Motion, Pictures, Settings, Shots
from stages.core.video.measure.signals import Samples, make_samples, over_video, per_second
from stages.core.video.read.frames import Orientation, Planes, Small


def blank(height_px: int, width_px: int) -> Small:
    luma = np.zeros((height_px, width_px), np.uint8)
    return Small(luma, Planes(luma, lambda: (luma, luma), 1 / 3, 8, False, False, Orientation(0)))


def declared(*names: str) -> list[Signal]:
    return [one for one in MEASURED if one.name in names]


def test_seconds_hold_means_peaks_and_shares_and_null_where_nothing_was_seen() -> None:
    moments = [0.0, 0.5, 3.0]
    samples = {
        "luma": make_samples(moments, moments, [0.2, 0.4, 1.0]),
        "sharpness": make_samples(moments, moments, [10, 30, 5]),
        "motion": make_samples([0.9], [1.1], [0.5]),
        "frozen": make_samples([0.75], [3.1], [1]),
        "cut_score": make_samples(moments, moments, [0.0, 0.7, 0.2]),
    }
    seconds = per_second(samples, 3.0, 3.2, declared(*samples))
    assert [s["second"] for s in seconds] == [0, 1, 2, 3]
    assert [s["luma"] for s in seconds] == [pytest.approx(0.3), None, None, 1.0]
    assert [s["sharpness"] for s in seconds] == [20.0, None, None, 5.0]
    assert [s["motion"] for s in seconds] == [0.5, None, None, None]
    assert [s["frozen"] for s in seconds] == pytest.approx([0.25, 1, 1, 0.5])
    assert [s["cut_score"] for s in seconds] == pytest.approx([0.7, None, None, 0.2])
    whole = over_video({**samples, "motion": make_samples([], [], [])}, declared(*samples))
    assert whole == {"luma": pytest.approx(1.6 / 3), "sharpness": 15.0, "motion": None}


def test_every_declared_signal_has_a_meter_and_every_meters_signal_is_declared() -> None:
    settings = Settings(
        width_px=128,
        decoder=Decoder("exact", None),
        shots=Shots(0.5, 0.5, None, 0.1),
        freeze=Freeze(0.001, 2.0),
        motion=Motion(3, 0.06),
        key_frames=Pictures(100, 85, 0),
        limits=Limits(10**8, 10**5),
        min_coverage=0.1,
    )
    meters = make_meters(settings, 25.0, lambda key_frame: None)
    for meter in meters:
        meter.add(0, 0.0, blank(64, 128))
        meter.finish(0.04)
    assert sorted(name for meter in meters for name in meter.signals()) == sorted(one.name for one in MEASURED)


def test_a_signal_is_added_by_a_meter_that_gives_it_and_one_line_of_declaration() -> None:
    class Flicker:
        """A Meter of how much brighter or darker each frame is than the one before."""

        def __init__(self) -> None:
            self.means: list[float] = []
            self.times_s: list[float] = []

        def add(self, number: int, time_s: float, small: Small) -> None:
            self.means.append(float(small.luma.mean()))
            self.times_s.append(time_s)

        def finish(self, end_s: float) -> None:
            self.steps = [abs(after - before) for before, after in pairwise(self.means)]

        def signals(self) -> dict[str, Samples]:
            return {"flicker": make_samples(self.times_s[1:], self.times_s[1:], self.steps)}

    meter: Meter = Flicker()
    for number, level in enumerate((16, 20, 20, 40)):
        frame = blank(4, 8)
        frame.luma[:] = level
        meter.add(number, number / 2, frame)
    meter.finish(2.0)

    signals = [Signal("flicker", "levels from frame to frame", second="peak"), *declared("luma")]
    samples = {**meter.signals(), "luma": make_samples([0.0], [0.0], [0.5])}
    assert per_second(samples, 1.5, 2.0, signals) == [
        {"second": 0, "flicker": 4.0, "luma": 0.5},
        {"second": 1, "flicker": 20.0, "luma": None},
    ]
    assert over_video(samples, signals) == {"flicker": 8.0, "luma": 0.5}
    assert list(second_columns(signals)) == list(video_columns(signals)) == ["flicker", "luma"]
    assert clip_columns(signals) == ("flicker", "luma")


def test_the_tables_have_the_signals_that_are_declared_for_them() -> None:
    assert set(SIGNALS) - {"video_id", "second"} == {one.name for one in MEASURED} - {"motion_median", "motion_p90"}
    assert {one.name for one in MEASURED} - set(VIDEO) == {"frozen", "cut_score", "pan_x", "pan_y", "zoom", "roll"}
    assert set(CLIP) & {one.name for one in MEASURED} == set(CLIP_SIGNALS)
    assert "white" not in CLIP
