"""Cuts of converted films, fades at the edges of a video, and what is no transition."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from scripts.sample_corpus import Film, Shot, picture
from stages.core.video.measure.cuts import CutDetector
from stages.core.video.measure.mixture import evidence, tone, uneven
from stages.core.video.measure.shots import ShotDetector, Transition
from stages.core.video.read.frames import Image, shrink, small_size
from stages.core.video.read.packets import open_video

Make = Callable[..., Path]
Wall = Callable[..., str]


@pytest.fixture(scope="session")
def drawn() -> Wall:
    """drawn(seed, frames, speed): ffmpeg's picture of a wall, 320x180 at 25 fps, panned by widths a second."""
    return lambda seed, frames, speed=0.05: picture(Film("", (), 320, 180), Shot(1, speed, seed), frames)


def detect(path: Path) -> ShotDetector:
    with open_video(str(path), 10**8, 10**5) as video:
        shots = ShotDetector(0.5, 0.5, float(video.facts.fps))
        for number, (time_s, frame) in enumerate(video.frames()):
            shots.add(number, time_s, shrink(frame, small_size(frame, 256)))
        shots.finish(video.end_s(time_s))
        return shots


def taken(shots: ShotDetector) -> list[Transition]:
    return [change for change in shots.changes if change.taken]


def spans(shots: ShotDetector) -> list[tuple[int, int]]:
    return [(shot.start, shot.end) for shot in shots.shots]


@pytest.mark.parametrize(
    ("conversion", "first", "mixed"),
    [
        ("minterpolate=fps=50:mi_mode=blend:scd=none", 99, 1),
        ("minterpolate=fps=30:mi_mode=blend:scd=none", 59, 1),
        ("framerate=fps=60:scene=100", 118, 2),
    ],
)
def test_a_cut_lies_at_the_first_frame_in_which_a_conversion_mixed_both_shots(
    make: Make, drawn: Wall, conversion: str, first: int, mixed: int
) -> None:
    two = f"{drawn(3, 50)}[a];{drawn(8, 50)}[b];[a][b]concat,{conversion}"
    shots = detect(make(f"{first}.mp4", two, "-pix_fmt", "yuv420p"))
    (cut,) = taken(shots)
    assert (cut.kind, cut.start, cut.end) == ("cut", first, first + mixed)
    assert spans(shots)[0] == (0, first)
    assert spans(shots)[1][0] == first + mixed


@pytest.mark.parametrize("colour", ["black", "white"])
def test_a_single_plain_frame_between_two_shots_belongs_to_neither(make: Make, drawn: Wall, colour: str) -> None:
    plain = f"color={colour}:s=320x180:r=25,trim=end_frame=1"
    joined = f"{drawn(3, 40)}[a];{plain}[m];{drawn(8, 40)}[b];[a][m][b]concat=n=3"
    shots = detect(make(f"{colour}_between.mp4", joined, "-pix_fmt", "yuv420p"))
    (cut,) = taken(shots)
    assert (cut.kind, cut.start, cut.end) == ("cut", 40, 41)
    assert spans(shots) == [(0, 40), (41, 81)]


def test_a_single_plain_frame_within_a_shot_divides_nothing(make: Make, drawn: Wall) -> None:
    black = f"{drawn(3, 80)},drawbox=color=black:t=fill:enable='eq(n,40)'"
    assert spans(detect(make("black_within.mp4", black, "-pix_fmt", "yuv420p"))) == [(0, 80)]


def test_two_plain_frames_between_two_shots_are_a_shot(make: Make, drawn: Wall) -> None:
    black = "color=black:s=320x180:r=25,trim=end_frame=2"
    joined = f"{drawn(3, 40)}[a];{black}[m];{drawn(8, 40)}[b];[a][m][b]concat=n=3"
    assert spans(detect(make("two_between.mp4", joined, "-pix_fmt", "yuv420p"))) == [(0, 40), (40, 42), (42, 82)]


@pytest.mark.parametrize(("share", "repeated"), [(0.4, 1), (0.55, 1), (0.55, 5), (0.6, 8)])
def test_only_the_cut_is_found_where_part_of_both_shots_is_another_picture_in_every_frame(
    share: float, repeated: int
) -> None:
    """Also where each frame comes several times, as in screen recordings: most of the picture changes at once."""
    chance = np.random.default_rng(4)

    def scene() -> Image:
        coarse = chance.integers(16, 236, (9, 16), dtype=np.uint8)
        return np.asarray(cv2.resize(coarse, (128, 72), interpolation=cv2.INTER_CUBIC), dtype=np.uint8)

    detector, behind = CutDetector(25), [scene()] * 20 + [scene()] * 20
    for picture_behind in behind:
        busy = picture_behind.copy()
        busy[:, : round(share * 128)] = scene()[:, : round(share * 128)]
        for _ in range(repeated):
            detector.add(busy)
    detector.finish()
    assert [number for number, score in enumerate(detector.scores) if score >= 0.5] == [20 * repeated]


def test_fades_at_the_edges_of_a_video_with_their_plain_frames_belong_to_no_shot(make: Make, drawn: Wall) -> None:
    held = f"{drawn(5, 75, 0)},fade=in:0:20,tpad=start=20:stop=20:color=black,fade=out:70:20"
    shots = detect(make("held.mp4", held, "-pix_fmt", "yuv420p"))
    out_of, into = taken(shots)
    assert (out_of.kind, out_of.start, into.kind, into.end) == ("gradual", 0, "gradual", 115)
    assert out_of.end == pytest.approx(40, abs=2)
    assert into.start == pytest.approx(71, abs=2)
    assert spans(shots) == [(out_of.end, into.start)]


def test_black_that_lasts_is_a_shot_between_two_fades(make: Make, drawn: Wall) -> None:
    black = "color=black:s=320x180:r=25:d=5"
    joined = f"{drawn(3, 50)},fade=out:25:25[a];{black}[m];{drawn(8, 50)},fade=in:0:25[b];[a][m][b]concat=n=3"
    shots = detect(make("lasting.mp4", joined, "-pix_fmt", "yuv420p"))
    assert [change.kind for change in taken(shots)] == ["gradual", "gradual"]
    borders = [border for span in spans(shots) for border in span]
    assert borders == pytest.approx([0, 26, 48, 176, 200, 225], abs=3)


def test_a_ramp_of_greys_is_no_transition(make: Make) -> None:
    ramp = "color=gray:s=160x90:r=25:d=4,geq=lum='16+N*2':cb=128:cr=128"
    assert taken(detect(make("greys.mp4", ramp, "-pix_fmt", "yuv420p"))) == []


@pytest.mark.parametrize("seed", [3, 5])
def test_turning_gradients_of_colour_are_one_shot(make: Make, seed: int) -> None:
    turning = f"gradients=s=640x360:r=30:d=6:speed=0.03:seed={seed}:n=4,noise=c0s=6:c0f=t"
    assert taken(detect(make(f"gradients{seed}.mp4", turning, "-pix_fmt", "yuv420p"))) == []


def grained(seed: int) -> Image:
    """A picture of blotches, 128 x 72."""
    chance = np.random.default_rng(seed)
    coarse = chance.normal(0, 1, (9, 16)).repeat(8, 0).repeat(8, 1)
    fine = chance.normal(0, 1, (36, 64)).repeat(2, 0).repeat(2, 1)
    return np.clip(120 + 40 * coarse + 25 * fine, 16, 235).astype(np.uint8)


def test_a_dissolve_is_evident_and_a_pan_and_a_change_of_light_are_not() -> None:
    one, other, shares = grained(1), grained(2), np.linspace(0, 1, 9)
    wide = np.hstack([one, other])
    dissolve = [((1 - share) * one + share * other).astype(np.uint8) for share in shares]
    pan = [wide[:, 4 * n : 4 * n + 128].copy() for n in range(9)]
    light = [np.clip(16 + (one.astype(float) - 16) * (1 + 3 * share), 16, 235).astype(np.uint8) for share in shares]
    assert evidence(0.9, dissolve) > 0
    assert evidence(0.9, pan) <= 0
    assert evidence(0.9, light) <= 0
    assert tone(one, light[-1]) > 0.8 > tone(one, other)


def test_a_plane_of_brightness_shows_nothing() -> None:
    y, x = np.mgrid[:72, :128]
    assert uneven((40 + x + y).astype(np.uint8)) == 0
    assert uneven(grained(1)) > 0.9
