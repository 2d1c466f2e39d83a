"""A small folder of videos with known shots, motion, freezes and faults, made with ffmpeg in a few seconds.

Writes the videos, beside all but the empty one a sidecar NAME.info.json such as yt-dlp's, and last `sample.json`: for
every file its cuts (seconds) and each shot's speed (frame widths per second). The same `--seconds` gives the same
pictures. What is already complete is left alone.

Titles and descriptions in the sidecars are made up, so that there is something to categorize: the pictures are panned
textures and show nothing of what they say.

    python -m scripts.sample_corpus --out sample
"""

import argparse
import json
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate
from pathlib import Path

from slurm.ending import ending
from stages.core.sources.sidecars import SUFFIX
from stages.core.video.cut.encode import ffmpeg_path

H264 = ("-c:v", "libx264", "-preset", "veryfast", "-crf", "26", "-pix_fmt", "yuv420p", "-c:a", "aac", "-b:a", "64k")
VP9 = ("-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-crf", "36", "-b:v", "0", "-c:a", "libopus")
OVERSIZE = 2  # textures are drawn this much larger and scaled down, so that slow pans move by parts of a pixel


@dataclass(frozen=True)
class Shot:
    """A textured wall that the camera pans along: `share` of the film's length, speed, when it stops (share of it)."""

    share: float
    widths_per_s: float
    seed: int
    stops: float = 1.0


@dataclass(frozen=True)
class Film:
    """A file to make: shots, size in pixels, frame rate, ffmpeg's arguments for the codecs; `keep` truncates it."""

    name: str
    shots: tuple[Shot, ...]
    width_px: int = 320
    height_px: int = 180
    fps: Fraction = Fraction(25)
    codecs: tuple[str, ...] = H264
    keep: float = 1.0

    def frames(self, seconds: float) -> list[int]:
        """Frames of each shot in a film of this length."""
        return [max(1, round(shot.share * seconds * self.fps)) for shot in self.shots]

    def cuts_s(self, seconds: float) -> list[float]:
        """When each shot but the first begins."""
        return [float(frame / self.fps) for frame in accumulate(self.frames(seconds)[:-1])]


FILMS = (
    Film("cuts.mp4", tuple(Shot(share, 0.1, seed) for seed, share in enumerate((0.2, 0.3, 0.1, 0.25, 0.15))), 640, 360),
    Film(
        "speeds.mkv",
        tuple(Shot(0.25, speed, 10 + n) for n, speed in enumerate((0.02, 0.15, -0.6, 1.2))),
        fps=Fraction(24),
    ),
    Film("still.webm", (Shot(1, 0, 20),), codecs=VP9),
    Film("half_frozen.mov", (Shot(1, 0.2, 30, stops=0.5),), fps=Fraction(30000, 1001)),
    Film("folder/UPPER.MP4", (Shot(0.5, 0.3, 40), Shot(0.5, -0.3, 41)), 480, 270),
    Film("portrait.mp4", (Shot(0.6, 0.15, 50), Shot(0.4, 0.05, 51)), 180, 320, Fraction(30)),
    Film("one_take.webm", (Shot(1, 0.05, 60),), 426, 240, Fraction(24), VP9),
    Film("truncated.mp4", (Shot(0.5, 0.1, 70), Shot(0.5, 0.1, 71)), keep=0.6),
    Film("empty.mp4", (), keep=0.0),
)
WORDS = {  # title and description of each film with a sidecar
    "cuts.mp4": ("Easy onion soup", "Five onions, butter and toasted bread: dinner is ready in half an hour."),
    "speeds.mkv": ("Goals of the village cup", "All goals of the football final, and the winners with their cup."),
    "still.webm": ("Rain on a tent", "Nothing happens: steady rain to fall asleep to."),
    "half_frozen.mov": ("Accordion concert in the garden", "Grandpa plays a waltz, until the battery was empty."),
    "folder/UPPER.MP4": ("How to fix a leaking tap", "Unscrew it, change the washer: plumbing for beginners."),
    "portrait.mp4": ("Our puppy learns to sit", "Biscuits, patience, and a dog that would rather lie down."),
    "one_take.webm": ("By train through the Alps", "The railway up to the pass, from a window of the last carriage."),
    "truncated.mp4": ("School theatre: a fairy tale", "The third grade on the stage, in costumes of their own."),
}


def picture(film: Film, shot: Shot, frames: int) -> str:
    """The ffmpeg filter chain that draws one shot: blotches of three sizes, tinted by the seed, panned by a crop."""
    width_px, height_px = film.width_px * OVERSIZE, film.height_px * OVERSIZE
    travel_s = shot.stops * float(frames / film.fps)
    wall_px = width_px + round(abs(shot.widths_per_s) * width_px * travel_s) + 2
    layers = "".join(
        f"color=gray:s={wall_px // grain + 2}x{height_px // grain + 2},"
        f"noise=alls=100:all_seed={shot.seed * 10 + grain},format=gray,"
        f"scale={wall_px}x{height_px}:flags=bicubic[g{grain}];"
        for grain in (16, 48, 144)
    )
    moved = f"{abs(shot.widths_per_s) * width_px:.6f}*min(n/({film.fps})\\,{travel_s:.6f})"
    x = moved if shot.widths_per_s >= 0 else f"{wall_px - width_px}-{moved}"
    red, green, blue = (0.4 + (shot.seed * k + k) % 5 * 0.15 for k in (1, 2, 3))
    return (
        f"{layers}[g16][g48]blend=all_mode=average[fine];[fine][g144]blend=all_mode=average,"
        f"eq=contrast=2:brightness=0.15,format=gbrp,colorchannelmixer=rr={red}:gg={green}:bb={blue},"
        f"trim=end_frame=1,loop=-1:1,setpts=N/({film.fps})/TB,fps={film.fps},trim=end_frame={frames},"
        f"crop={width_px}:{height_px}:{x}:0,scale={film.width_px}:{film.height_px}:flags=area,setsar=1,format=yuv420p"
    )


def command(film: Film, seconds: float, out: Path) -> list[str]:
    """The ffmpeg call that makes the film, with a tone as its sound."""
    inputs: list[str] = []
    counts = film.frames(seconds)
    for shot, frames in zip(film.shots, counts, strict=True):
        inputs += ["-f", "lavfi", "-i", picture(film, shot, frames)]
    length_s = float(sum(counts) / film.fps)
    inputs += ["-f", "lavfi", "-i", f"sine=frequency=330:sample_rate=48000:duration={length_s:.6f}"]
    joined = "".join(f"[{n}:v]" for n in range(len(counts))) + f"concat=n={len(counts)}:v=1[v]"
    streams = ["-filter_complex", joined, "-map", "[v]", "-map", f"{len(counts)}:a", *film.codecs, "-threads", "1"]
    exact = ["-fflags", "+bitexact", "-flags", "+bitexact", "-map_metadata", "-1"]
    start = ["-movflags", "+faststart"] if out.suffix.lower() in (".mp4", ".mov") else []
    return [ffmpeg_path(), "-nostdin", "-v", "error", "-y", *inputs, *streams, *exact, *start, str(out)]


def make(film: Film, seconds: float, folder: Path) -> None:
    """Writes the film and its sidecar; RuntimeError with ffmpeg's words when that fails."""
    out = folder / film.name
    out.parent.mkdir(parents=True, exist_ok=True)
    if not film.shots:
        out.write_bytes(b"")
        return
    ended = subprocess.run(command(film, seconds, out), capture_output=True, text=True, check=False)
    if ended.returncode != 0:
        raise RuntimeError(f"{film.name}: {ended.stderr.strip()}")
    if film.keep < 1:
        whole = out.read_bytes()
        out.write_bytes(whole[: int(len(whole) * film.keep)])
    if known := words(film, seconds):
        out.with_suffix(SUFFIX).write_text(json.dumps(known, indent=1))


def words(film: Film, seconds: float) -> dict[str, object]:
    """What a film's sidecar holds, under yt-dlp's names; nothing where it has none."""
    if film.name not in WORDS:
        return {}
    title, description = WORDS[film.name]
    return {"title": title, "description": description, "duration": float(sum(film.frames(seconds)) / film.fps)}


def make_corpus(folder: Path, seconds: float) -> bool:
    """Writes all films, their sidecars and sample.json; False when they were there already."""
    record = folder / "sample.json"
    sidecars = [(folder / name).with_suffix(SUFFIX) for name in WORDS]
    files = [*(folder / film.name for film in FILMS), *sidecars]
    truth = json.dumps({"seconds": seconds, "files": [facts(film, seconds) for film in FILMS]}, indent=1)
    if record.exists() and record.read_text() == truth and all(file.exists() for file in files):
        return False
    folder.mkdir(parents=True, exist_ok=True)
    record.unlink(missing_ok=True)  # so that it never vouches for half a corpus
    with ThreadPoolExecutor(2) as pool:
        try:
            list(pool.map(lambda film: make(film, seconds, folder), FILMS))
        finally:
            pool.shutdown(cancel_futures=True)
    record.write_text(truth)
    return True


def facts(film: Film, seconds: float) -> dict[str, object]:
    """What is known of a film because it was made so."""
    return {
        "name": film.name,
        "cuts_s": film.cuts_s(seconds),
        "widths_per_s": [shot.widths_per_s for shot in film.shots],
        "whole": film.keep == 1,
        "words": words(film, seconds),
    }


def main() -> None:
    """The command line: makes the corpus and prints a line a file."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--out", type=Path, required=True, help="folder to write to")
    parser.add_argument("--seconds", type=float, default=12, help="length of a video (at least 2)")
    args = parser.parse_args()
    if args.seconds < 2:
        parser.error("--seconds must be at least 2")
    made = make_corpus(args.out, args.seconds)
    for film in FILMS:
        cuts = " ".join(f"{cut:.2f}" for cut in film.cuts_s(args.seconds)) or "none"
        fault = "" if film.keep == 1 else "  (empty)" if film.keep == 0 else f"  (cut off at {film.keep:.0%})"
        size = (args.out / film.name).stat().st_size
        print(f"{args.out / film.name}  {film.width_px}x{film.height_px}  {size:,} bytes  cuts at: {cuts}{fault}")
    print("made" if made else "already complete")


if __name__ == "__main__":
    with ending("films that are made are kept"):
        main()
