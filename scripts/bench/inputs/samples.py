"""Sample videos for the benchmarks of `analyze`: one film in the codecs and at the bit rates in which films come.

The film is drawn by the painters of the ground-truth corpus at 1080p30: ten shots of 2 to 5 s that pan, zoom, sway, or
hold things, people and talkers. Grain is added, and all is encoded with the encoders' usual settings.
"""

import json
import os
import re
import subprocess
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

from scripts.truth.cuts import chance, cut, lengths
from scripts.truth.drawing.camera import pan
from scripts.truth.drawing.canvas import Backdrop
from scripts.truth.drawing.scenes import Scene, by_chance
from scripts.truth.drawing.writing import make
from scripts.truth.encodings import h264
from scripts.truth.film import Encoding, Film, Joint
from scripts.truth.freezes import stopped
from scripts.truth.motion import moving
from stages.core.video.cut.encode import ffmpeg_path

FPS, SHOTS, SEED = Fraction(30), 10, 7
STYLES = ("pan", "sway", "talk", "thing", "crowd", "zoom")
GRAIN = "noise=c0s=6:c0f=t"


class Sample(NamedTuple):
    """A video to make: filters before the grain, and how it is encoded."""

    name: str
    filters: str
    encoder: tuple[str, ...]


X264, X265 = ("-c:v", "libx264", "-preset", "medium"), ("-c:v", "libx265", "-preset", "fast", "-tag:v", "hvc1")
SAMPLES = (
    Sample("h264_720p.mp4", "scale=1280:720", (*X264, "-b:v", "1800k")),
    Sample("h264_1080p.mp4", "null", (*X264, "-b:v", "3700k")),
    Sample(
        "hevc10_720p.mp4",
        "scale=1280:720,format=yuv420p10le",
        (*X265, "-b:v", "1400k", "-x265-params", "log-level=error"),
    ),
    Sample(
        "vp9_720p.webm",
        "fps=25,scale=1280:720",
        ("-c:v", "libvpx-vp9", "-deadline", "good", "-cpu-used", "4", "-crf", "40", "-b:v", "900k"),
    ),
    Sample("av1_480p.mkv", "fps=25,scale=854:480", ("-c:v", "libsvtav1", "-preset", "8", "-b:v", "400k")),
)
LONG_S = 3 * 3600


def film(small: bool = False) -> Film:
    """The film that all samples show, nearly as it was drawn; a small one has three short shots."""
    rng = chance(SEED, "samples")
    frames = lengths(rng, FPS, 3, 0.5, 0.8) if small else lengths(rng, FPS, SHOTS, 2, 5)
    shots = tuple((by_chance(rng, "any", STYLES[n % len(STYLES)]), count) for n, count in enumerate(frames))
    master = Encoding("h264", ".mkv", ("-c:v", "libx264", "-preset", "ultrafast", "-crf", "10"))
    return cut("master", shots, master, fps=FPS, size=(320, 180) if small else (1920, 1080), grain=0)


def samples(folder: Path, small: bool = False) -> dict[str, Path]:
    """The sample videos by their names, made where they are missing: minutes. Small ones are all of the film's size."""
    folder.mkdir(parents=True, exist_ok=True)
    shown = film(small)
    for sample in SAMPLES:
        if not (folder / sample.name).exists():
            master = folder / shown.file
            if not master.exists():
                make(shown, SEED, folder)
            filters = re.sub(r"scale=[0-9:]+", "null", sample.filters) if small else sample.filters
            encode(["-i", str(master), "-vf", f"{filters},{GRAIN}", *sample.encoder], folder / sample.name)
    return {sample.name.partition(".")[0]: folder / sample.name for sample in SAMPLES}


def long_video(folder: Path) -> Path:
    """Three hours of 1080p, the film's shots again and again; its size on the disk is kept small."""
    part, whole, parts = folder / "part.mp4", folder / "long.mp4", folder / "parts.txt"
    if not whole.exists():
        samples(folder)
        coarse = ["-c:v", "libx264", "-preset", "superfast", "-crf", "35", "-bf", "2"]
        encode(["-i", str(folder / film().file), *coarse], part)
        parts.write_text("file part.mp4\n" * round(LONG_S / (film().frames / FPS)))
        encode(["-f", "concat", "-i", str(parts), "-c", "copy"], whole)
    return whole


def tiny_corpus(folder: Path) -> None:
    """Three films of known truth of a few seconds, 160 pixels wide, and their truth.json."""
    folder.mkdir(parents=True, exist_ok=True)
    moods = ("bright", "dark", "warm")
    slides = tuple((Scene(Backdrop("page", mood, n)), 40) for n, mood in enumerate(moods))
    size = (160, 90)
    made = (
        Film("tiny_cuts", "cuts", slides, h264(), (Joint(), Joint("dissolve", 12)), size=size),
        moving("tiny", "pan", (pan(0.2),), size=size),
        stopped("tiny", 5, ((1.0, 4.0),), size=size, encoding=h264(), noise_db=-60, speed=1),
    )
    for film_ in made:
        make(film_, SEED, folder)
    (folder / "truth.json").write_text(json.dumps({"files": [film_.truth() for film_ in made]}))


def encode(arguments: list[str], out: Path) -> None:
    """ffmpeg, its output whole or not there at all."""
    unfinished = out.with_name(f"unfinished_{out.name}")
    command = [ffmpeg_path(), "-nostdin", "-v", "fatal", "-y", *arguments, str(unfinished)]
    subprocess.run(command, env={**os.environ, "SVT_LOG": "1"}, check=True)  # of the AV1 encoder: errors only
    unfinished.replace(out)
