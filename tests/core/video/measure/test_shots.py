"""Shots and their key frames."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from scripts.sample_corpus import Film, Shot, picture
from stages.core.video.cut.encode import ffmpeg_path
from stages.core.video.measure.cuts import CandidateDetector
from stages.core.video.measure.fades import fades
from stages.core.video.measure.key_frames import KeyFrame, KeyFrames
from stages.core.video.measure.settings import Pictures
from stages.core.video.measure.shots import Shot as KnownShot
from stages.core.video.measure.shots import ShotDetector
from stages.core.video.read.frames import shrink, small_size
from stages.core.video.read.packets import open_video

Make = Callable[..., Path]


def detect(path: Path, even: int = 0) -> tuple[ShotDetector, list[KeyFrame], KeyFrames]:
    with open_video(str(path), 10**8, 10**5) as video:
        shots = ShotDetector(0.5, 0.5, float(video.facts.fps))
        found: list[KeyFrame] = []
        key_frames = KeyFrames(
            Pictures(100, 85, even), float(video.facts.fps), shots.shots, shots.horizon, found.append
        )
        for number, (time_s, frame) in enumerate(video.frames()):
            small = shrink(frame, small_size(frame, 256))
            shots.add(number, time_s, small)
            key_frames.add(number, time_s, small)
        shots.finish(video.end_s(time_s))
        key_frames.finish(video.end_s(time_s))
        return shots, found, key_frames


def spans(shots: ShotDetector) -> list[tuple[int, int]]:
    return [(shot.start, shot.end) for shot in shots.shots]


@pytest.fixture(scope="session")
def scenes(make: Make) -> Callable[[str], Path]:
    """scenes(transition): two walls at 25 fps, joined by ffmpeg's xfade from 2 s to 3 s; but for wipes, they move."""
    film = Film("", (), 320, 180)

    def joined(transition: str) -> Path:
        speed = 0 if transition.startswith("wipe") else 0.05
        walls = ";".join(f"{picture(film, Shot(1, speed, seed), 75)}[s{n}]" for n, seed in enumerate((3, 8)))
        return make(
            f"{transition}.mp4",
            f"{walls};[s0][s1]xfade=transition={transition}:duration=1:offset=2",
            "-pix_fmt",
            "yuv420p",
        )

    return joined


def test_cuts_are_found_at_their_frames(three_shots: Path) -> None:
    shots, _, _ = detect(three_shots)
    assert spans(shots) == [(0, 30), (30, 75), (75, 120)]
    assert [change.kind for change in shots.changes if change.taken] == ["cut", "cut"]
    assert len(shots.scores) == 120
    assert set(np.argsort(shots.scores)[-2:]) == {30, 75}
    assert [shot.score is None for shot in shots.shots] == [True, False, False]


def test_every_cut_is_a_candidate_at_once_and_few_other_frames_are(three_shots: Path) -> None:
    with open_video(str(three_shots), 10**8, 10**5) as video:
        detector = CandidateDetector(25)
        frames = [detector.add(shrink(frame, small_size(frame, 256)).luma) for _, frame in video.frames()]
    candidates = np.flatnonzero(frames).tolist()
    assert {30, 75} <= set(candidates)
    assert len(candidates) <= 4


def test_a_sudden_change_of_light_is_no_candidate_for_a_cut(wall: Callable[[float], Path]) -> None:
    with open_video(str(wall(0.15)), 10**8, 10**5) as video:
        _, frame = next(video.frames())
        luma = shrink(frame, small_size(frame, 256)).luma
    detector, brighter = CandidateDetector(25), np.minimum(luma, 215) + np.uint8(20)
    assert [detector.add(each) for each in (luma, luma, luma, brighter, brighter)] == [False] * 5


@pytest.mark.parametrize("transition", ["fade", "fadeblack", "fadewhite", "wipeleft"])
def test_gradual_transitions_divide_shots_where_they_begin_and_end(
    scenes: Callable[[str], Path], transition: str
) -> None:
    shots, key_frames, _ = detect(scenes(transition))
    (change,) = (change for change in shots.changes if change.taken)
    assert change.kind == "gradual"
    assert change.start == pytest.approx(51, abs=8)
    assert change.end == pytest.approx(75, abs=8)
    assert [start for start, _ in spans(shots)] == [0, change.end]
    assert spans(shots)[0][1] == change.start
    times = [key_frame.time_s for key_frame in key_frames]
    assert max(times[:3]) <= (change.start - 1) / 25 + 1e-6
    assert min(times[3:]) >= change.end / 25 - 1e-6


def test_a_flash_a_change_of_light_and_a_caption_divide_no_shot(make: Make) -> None:
    wall = picture(Film("", (), 320, 180), Shot(1, 0.02, 5), 100)
    for name, what in {
        "flash": "geq=lum='if(between(N,40,41),235,lum(X,Y))':cb=128:cr=128",
        "light": "geq=lum='16+(lum(X,Y)-16)*if(gte(N,50),0.6,1)':cb=128:cr=128",
        "caption": "drawbox=x=40:y=140:w=240:h=24:color=white:t=fill:enable='between(n,30,70)'",
    }.items():
        assert spans(detect(make(f"{name}.mp4", f"{wall},{what}", "-pix_fmt", "yuv420p"))[0]) == [(0, 100)], name


def test_one_take_is_one_shot_however_fast_it_moves(wall: Callable[[float], Path]) -> None:
    for speed in (0.15, 1.2):
        shots, key_frames, _ = detect(wall(speed))
        assert spans(shots) == [(0, 50)]
        assert [k.position for k in key_frames] == ["first", "middle", "last"]
        assert [k.time_s for k in key_frames] == pytest.approx([0, 0.98, 1.96], abs=0.15)


def test_a_video_of_one_frame_is_one_shot(make: Make) -> None:
    shots, key_frames, _ = detect(make("one.mp4", "testsrc2=s=160x90:r=25,trim=end_frame=1", "-pix_fmt", "yuv420p"))
    assert spans(shots) == [(0, 1)]
    assert {k.time_s for k in key_frames} == {0.0}


def test_key_frames_are_jpegs_of_their_own_shot(three_shots: Path) -> None:
    _, key_frames, _ = detect(three_shots)
    assert [(k.shot, k.position) for k in key_frames] == [
        (shot, position) for shot in range(3) for position in ("first", "middle", "last")
    ]
    assert [k.time_s for k in key_frames if k.position == "first"] == pytest.approx([0, 1.2, 3.0])
    assert [k.time_s for k in key_frames if k.position == "last"] == pytest.approx([1.16, 2.96, 4.76])
    assert [k.time_s for k in key_frames if k.position == "middle"] == pytest.approx([0.58, 2.08, 3.88], abs=0.13)
    for key_frame in key_frames:
        bgr = cv2.imdecode(np.frombuffer(key_frame.jpeg, np.uint8), cv2.IMREAD_COLOR)
        assert bgr is not None
        assert bgr.shape == (56, 100, 3) == (key_frame.height_px, key_frame.width_px, 3)
        tint = ([0, 0, 255], [255, 0, 0], [255, 255, 255])[key_frame.shot]
        assert bgr[28, 50].tolist() == pytest.approx(tint, abs=6)


def test_pictures_stay_few_where_every_frame_may_be_a_cut(make: Make) -> None:
    noise = "color=gray:s=64x36:r=25:d=24,noise=alls=100:allf=t"
    path = make("snow.mp4", noise, "-pix_fmt", "yuv420p", "-preset", "ultrafast", "-qp", "20")
    found: list[KeyFrame] = []
    known: list[KnownShot] = []  # none before the end
    shots, key_frames = ShotDetector(0.5, 0.5, 25.0), KeyFrames(Pictures(100, 85, 0), 25.0, known, 300, found.append)
    latest = most = 0
    with open_video(str(path), 10**8, 10**5) as video:
        for number, (time_s, frame) in enumerate(video.frames()):
            small = shrink(frame, small_size(frame, 256))
            key_frames.add(number, time_s, small)
            shots.add(number, time_s, small)
            latest = max([latest, *(picture.number for picture in key_frames._borders)])
            most = max(most, len(key_frames._borders))
    assert latest > 590
    assert 100 < most <= 130
    numbers = [picture.number for picture in key_frames._borders]
    assert numbers == sorted(set(numbers))
    assert numbers[0] <= 25
    shots.finish(24.0)
    known += shots.shots
    key_frames.finish(24.0)
    assert found[0].time_s == 0
    assert found[-1].time_s == 599 / 25


def test_plain_frames_are_a_fade_but_not_between_two_cuts_however_many_cuts_there_are() -> None:
    texture = np.concatenate([np.full(400, 100.0), np.full(5, 0.5), np.full(400, 100.0)])
    far = [*range(10, 200, 10), *range(600, 800, 10)]
    assert list(fades(texture, 0, len(texture), 78, far)) == [(399, 405)]
    assert list(fades(texture, 0, len(texture), 78, sorted([*far, 400, 405]))) == []


def test_cuts_of_a_very_wide_video_are_found(make: Make) -> None:
    wide = "testsrc2=s=1920x96:r=25:d=1[a];mandelbrot=s=1920x96:r=25,trim=end_frame=25[b];[a][b]concat,format=yuv420p"
    assert spans(detect(make("wide.mkv", wide, "-c:v", "ffv1"))[0]) == [(0, 25), (25, 50)]


def test_evenly_spaced_key_frames_come_on_top(wall: Callable[[float], Path]) -> None:
    _, key_frames, _ = detect(wall(0.15), even=4)
    assert [k.time_s for k in key_frames if k.position == "even"] == pytest.approx([0.25, 0.74, 1.23, 1.72], abs=0.13)


def test_pictures_of_a_long_shot_stay_few_and_near_their_places(make: Make) -> None:
    path = make("long.mp4", "color=gray:s=32x32:r=2:d=400", "-pix_fmt", "yuv420p", "-preset", "ultrafast")
    with open_video(str(path), 10**8, 10**5) as video:
        found: list[KeyFrame] = []
        known: list[KnownShot] = []  # none before the end
        shots, key_frames = ShotDetector(0.5, 0.5, 2.0), KeyFrames(Pictures(100, 85, 0), 2.0, known, 16, found.append)
        kept = []
        for number, (time_s, frame) in enumerate(video.frames()):
            small = shrink(frame, small_size(frame, 256))
            key_frames.add(number, time_s, small)
            shots.add(number, time_s, small)
            kept.append(len(key_frames._spaced) + len(key_frames._borders))
        shots.finish(400.0)
        known += shots.shots
        key_frames.finish(400.0)
    assert max(kept) <= 2 * 8 + 2 * 8 + 2
    assert found[1].time_s == pytest.approx(200, abs=400 / 8)


def test_hashes_of_a_picture_scaled_and_coded_anew_are_near_and_of_another_far(make: Make) -> None:
    picture = "mandelbrot=s={}:r=25:start_scale={},trim=end_frame=2,format=yuv420p"
    names = {"a": ("640x360", 3), "b": ("320x180", 3), "c": ("640x360", 0.01)}
    made = {
        name: make(f"hash_{name}.mp4", picture.format(*what), "-crf", "30" if name == "b" else "18")
        for name, what in names.items()
    }
    hashes = {name: detect(path)[2].hashes[0] for name, path in made.items()}
    assert (hashes["a"] ^ hashes["b"]).bit_count() <= 8
    assert (hashes["a"] ^ hashes["c"]).bit_count() >= 16


def test_pixels_of_key_frames_have_the_colours_of_their_matrix(make: Make, tmp_path: Path) -> None:
    """The same YUV means other colours in BT.601 and BT.709; ffmpeg is told which, and shows what is right."""
    for matrix in ("bt709", "smpte170m"):
        path = tmp_path / f"{matrix}.mp4"
        arguments = ["-f", "lavfi", "-i", "color=0xC05020:s=64x64:r=5:d=0.4", "-vf"]
        scale = f"scale=out_color_matrix={'bt709' if matrix == 'bt709' else 'bt601'}:out_range=tv,format=yuv420p"
        marks = ["-colorspace", matrix, "-color_range", "tv", "-qp", "0"]
        subprocess.run([ffmpeg_path(), "-v", "error", *arguments, scale, *marks, str(path)], check=True)
        bgr = cv2.imdecode(np.frombuffer(detect(path)[1][0].jpeg, np.uint8), cv2.IMREAD_COLOR)
        assert bgr is not None
        assert bgr[32, 32].tolist() == pytest.approx([0x20, 0x50, 0xC0], abs=6)
