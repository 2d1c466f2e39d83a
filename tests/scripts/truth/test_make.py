"""The ground-truth corpus says of its films what their decoded pictures show."""

import dataclasses
import json
import subprocess
import sys
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from scripts.truth import cuts as truth_cuts
from scripts.truth.drawing.camera import pan
from scripts.truth.drawing.canvas import Backdrop
from scripts.truth.drawing.drawing import drawn
from scripts.truth.drawing.scenes import Scene
from scripts.truth.drawing.writing import make
from scripts.truth.encodings import h264, lossless
from scripts.truth.film import Film, Joint
from scripts.truth.freezes import stopped
from scripts.truth.make import films
from scripts.truth.numbered import read_number
from stages.core.video.cut.encode import ffmpeg_path

ROOT, SEED, SMALL = Path(__file__).parents[3], 7, (320, 180)
SLIDES = [Scene(Backdrop("page", mood, 0)) for mood in ("bright", "warm", "dark")]


def run(folder: Path, only: str) -> str:
    command = [sys.executable, "-m", "scripts.truth.make", "--out", str(folder), "--only", only]
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout


def decoded(path: Path, size: tuple[int, int]) -> np.ndarray:
    """Luma of every frame, as float32."""
    pictures = ["-fps_mode", "passthrough", "-pix_fmt", "gray", "-f", "rawvideo", "-"]
    command = [ffmpeg_path(), "-v", "error", "-i", str(path), *pictures]
    raw = subprocess.run(command, check=True, capture_output=True).stdout
    return np.frombuffer(raw, np.uint8).reshape(-1, size[1], size[0]).astype(np.float32)


def changes(pictures: np.ndarray) -> np.ndarray:
    """Mean absolute difference of each picture to the one before; 0 for the first."""
    return np.array([0, *(np.abs(b - a).mean() for a, b in pairwise(pictures))])


def lumas(film: Film, seed: int = SEED) -> np.ndarray:
    return np.stack([picture.y for picture in drawn(film, seed)])


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The corpus, but only its white slides."""
    folder = tmp_path_factory.mktemp("truth")
    assert run(folder, "cuts_slides*").endswith("made 1\n")
    return folder


def entry(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "truth.json").read_text())["files"][0]
    return found


def test_decoded_pictures_change_most_at_the_listed_cuts(corpus: Path) -> None:
    truth = entry(corpus)
    change = changes(decoded(corpus / truth["name"], (truth["width_px"], truth["height_px"])))
    assert len(change) == truth["frames"]
    assert sorted(np.argsort(change)[-len(truth["cuts"]) :].tolist()) == truth["cuts"]


def test_complete_files_are_left_alone(corpus: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in corpus.iterdir()}
    assert run(corpus, "cuts_slides*") == "already complete\n"
    assert {path: path.stat().st_mtime_ns for path in corpus.iterdir()} == before


def test_lost_file_is_made_again_just_as_it_was(corpus: Path) -> None:
    path = corpus / entry(corpus)["name"]
    was = path.read_bytes()
    path.unlink()
    assert run(corpus, "cuts_slides*").endswith("made 1\n")
    assert path.read_bytes() == was


def test_failed_film_is_not_recorded(tmp_path: Path) -> None:
    film = Film("bad", "cuts", ((SLIDES[0], 3),), h264(more=("-profile:v", "none")), size=SMALL)
    with pytest.raises(RuntimeError, match=r"bad\.mp4"):
        make(film, SEED, tmp_path)
    assert not (tmp_path / "bad.mp4").exists()


@pytest.mark.parametrize(
    "joint", [Joint("dissolve", 6), Joint("fade", 9, "black", hold=3), Joint("wipe", 5, "iris", 0.1)]
)
def test_only_the_frames_of_a_transition_are_neither_shot(joint: Joint) -> None:
    film = Film("joint", "gradual", ((SLIDES[0], 5), (SLIDES[1], 5)), h264(), (joint,), size=SMALL, grain=0)
    start, end = 5, 5 + joint.frames
    assert film.truth()["gradual"] == [[start, end, joint.kind]]
    pictures = lumas(film)
    is_old = [np.array_equal(picture, pictures[0]) for picture in pictures]
    is_new = [np.array_equal(picture, pictures[-1]) for picture in pictures]
    assert is_old == [frame < start for frame in range(film.frames)]
    assert is_new == [frame >= end for frame in range(film.frames)]


def test_a_pan_moves_by_its_true_speed() -> None:
    film = Film(
        "pan", "motion", ((Scene(Backdrop("page", "warm", 0), moves=(pan(0.2),)), 26),), h264(), size=SMALL, grain=0
    )
    pictures = lumas(film)
    assert np.abs(pictures[25][:, : 320 - 64] - pictures[0][:, 64:]).max() < 0.01  # 0.2 widths in the second between
    assert film.shots[0][0].flow(0.3, 0.04, SMALL).mean() == pytest.approx(0.2, abs=1e-4)


def test_a_freeze_stands_under_noise_of_the_told_level() -> None:
    film = stopped("test", 2, ((0.5, 1.5),), size=(96, 54), encoding=lossless(), noise_db=-40, speed=1)
    assert film.truth()["freezes"] == [[0.48, 1.52]]  # whole frames: 12 to 38
    pictures = [np.concatenate([np.rint(p).ravel() for p in picture.planes]) for picture in drawn(film, SEED)]
    level = 20 * np.log10(changes(np.stack(pictures))[1:] / 255)
    assert level[12:37] == pytest.approx(np.full(25, -40), abs=0.5)
    assert min(level[:12].min(), level[37:].min()) > -36


def test_numbers_and_flashes_are_read_back_from_the_decoded_film(tmp_path: Path) -> None:
    film = films(SEED)["numbered_h264_vfr_phone.mp4"]
    film = dataclasses.replace(film, shots=((SLIDES[2], film.frames),))
    make(film, SEED, tmp_path)
    pictures = decoded(tmp_path / film.file, film.size)
    assert [read_number(picture) for picture in pictures] == list(range(film.frames))
    assert read_number(pictures[0, 100:]) is None
    white = [bool(picture[-12:, -24:].mean() > 128) for picture in pictures]
    beeps: Any = film.truth()["beeps"]
    assert [n for n in range(1, film.frames) if white[n] and not white[n - 1]] == [beep["frame"] for beep in beeps]


def test_variable_frame_times_are_those_told(tmp_path: Path) -> None:
    film = films(SEED)["cuts_vfr_phone.mp4"]
    film = dataclasses.replace(film, shots=((SLIDES[0], film.frames),), joints=(), size=(64, 36))
    make(film, SEED, tmp_path)
    with av.open(str(tmp_path / film.file)) as container:
        times = [frame.time for frame in container.decode(video=0)]
    assert times == pytest.approx(film.times_s)


def test_same_seed_gives_the_same_pictures() -> None:
    film = Film("seeded", "cuts", ((SLIDES[0], 2), (SLIDES[1], 2)), h264(), (Joint(),), size=SMALL)
    assert np.array_equal(lumas(film, 1), lumas(film, 1))
    assert not np.array_equal(lumas(film, 1), lumas(film, 2))
    first, again = (json.dumps([film.truth() for film in truth_cuts.films(3)]) for _ in range(2))
    assert first == again


def test_every_truth_is_consistent() -> None:
    for film in films(SEED).values():
        truth: Any = film.truth()
        borders = sorted([(cut, cut) for cut in truth["cuts"]] + [(start, end) for start, end, _ in truth["gradual"]])
        assert truth["shots"] == 1 + len(borders)
        edges = [0, *(frame for border in borders for frame in border), truth["frames"]]
        assert edges == sorted(edges)
        assert all(clear < leaving for clear, leaving in zip(edges[::2], edges[1::2], strict=True))
        times = truth.get("times_s", [])
        assert times == sorted(set(times))
        assert len(times) in (0, truth["frames"])
        assert Fraction(truth["fps"]) > 0
