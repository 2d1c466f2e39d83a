"""Measures `dedup`: a million hashes, some more of them, and copies of films that are found again.

hashes   20,000 made-up videos of 50 moments, of which a tenth are copies; 1 in 50 moments is one picture that all share
films    films of known truth (or videos=DIR) and ten copies of each, with really encoded hashes
"""

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
import yaml
from pydantic import TypeAdapter

from scripts.bench.inputs.copies import COPIES, make_copy
from scripts.bench.lines import ROOT, Line, ran, shared
from scripts.truth.drawing.writing import make
from scripts.truth.make import films as all_films
from stages.core.dedup.align import find_alike
from stages.core.dedup.moments import Moments
from stages.core.dedup.settings import Config
from stages.core.video.measure.hashes import Hashed, HashMeter
from stages.core.video.measure.one_pass import hand_out
from stages.core.video.measure.shots import ShotDetector
from stages.core.video.read.packets import open_video

SEED, JOBS = 7, 2
VIDEOS, MOMENTS = 20_000, 50
SET = 0.4  # share of the bits that are set: of films about this, so that some parts of hashes are frequent
NEW = 200  # videos that come later: 10,000 moments
FILMS = (
    *("cuts_h264_23976", "cuts_h264_25_gop12_warm", "cuts_h264_50_dark", "cuts_h264_25_fast8", "cuts_hevc_25_pastel"),
    *("cuts_vp9_2997", "cuts_av1_25", "cuts_vfr_phone", "cuts_bright", "cuts_flat", "cuts_captioned"),
    *("cuts_handheld_grain", "cuts_fast_pans", "cuts_portrait", "cuts_letterbox", "cuts_conversation", "cuts_slides"),
    *("one_take_static", "one_take_slow_pan", "one_take_talker", "one_take_handheld", "one_take_slow_zoom"),
    *("one_take_portrait", "one_take_crowd", "distractor_traffic", "distractor_sport", "distractor_water"),
    *("distractor_shake", "distractor_whip_2_5", "gradual_dissolve_pans", "gradual_black", "gradual_wipe_soft"),
)
LEAST = {"crop": 0.95, "crop_corner": 0.95, "logo": 0.95}  # recall; of other copies 0.98


def config() -> Config:
    """The stage's own, from its YAML."""
    loaded = yaml.safe_load((ROOT / "conf" / "stage" / "dedup.yaml").read_text())
    return TypeAdapter(Config).validate_python({key: loaded[key] for key in Config.__dataclass_fields__})


def make_moments(videos: int, seed: int) -> Moments:
    """Hashes of made-up videos; every tenth one is a copy, of which each hash differs in 0 to 10 bits."""
    rng = np.random.default_rng(seed)
    hashes = np.packbits(rng.random((videos, MOMENTS, 64), np.float32) < SET, axis=2).view(np.uint64)[..., 0]
    copies = np.arange(videos - videos // 10, videos)
    flips = rng.integers(0, 64, (len(copies), MOMENTS, 10)).astype(np.uint64)
    used = np.arange(10) < rng.integers(0, 11, (len(copies), MOMENTS, 1))
    masks = np.bitwise_xor.reduce(np.where(used, np.uint64(1) << flips, np.uint64(0)), axis=2)
    hashes[copies] = hashes[copies - len(copies)] ^ masks
    hashes[rng.random(hashes.shape) < 0.02] = 0x0F0F_3C3C_0F0F_3C3C
    row = np.repeat(np.arange(videos), MOMENTS)
    time_s = np.tile(np.arange(MOMENTS) * 0.5, videos)
    return Moments(row, time_s, hashes.ravel(), np.arange(videos + 1) * MOMENTS)


def time_of(moments: Moments, first: int) -> tuple[float, int]:
    """CPU seconds of `find_alike`, and how many pairs it found."""
    before = time.process_time()
    pairs = find_alike(moments, first, config().perceptual)
    return time.process_time() - before, len(pairs)


def hashes(folder: Path, small: bool) -> Iterator[Line]:
    """A million hashes in a process of their own, then ten thousand more."""
    videos, new = (300, 20) if small else (VIDEOS, NEW)
    code = f"from scripts.bench.choosing.dedup import *; print(*time_of(make_moments({videos}, 1), 0))"
    run = ran("-c", code)
    cpu_s, found = map(float, run.output.split())
    yield Line(f"{videos * MOMENTS:,} hashes: wall clock", run.wall_s, "s", 60, f"{cpu_s:.1f} s of CPU in one thread")
    yield Line("… memory", run.peak_gib, "GiB", 2)
    yield Line("… copies found", found / (videos // 10), "", 0.98, f"{found:.0f} pairs", at_least=True)
    code = f"from scripts.bench.choosing.dedup import *; print(*time_of(make_moments({videos + new}, 1), {videos}))"
    more_s = float(ran("-c", code).output.split()[0])
    yield Line(f"{new * MOMENTS:,} more / all", more_s / cpu_s, "", 0.05, f"{more_s:.2f} s and {cpu_s:.1f} s of CPU")


class Seen(NamedTuple):
    """A video: of which film, as which copy (or the film itself), its moments (MOMENTS) and length."""

    film: str
    kind: str
    moments: list[Hashed]


def look_at(film: Path, kind: str, folder: Path) -> Seen:
    """Makes the copy and hashes it as `analyze` does, without all that this measures beside."""
    video = film if kind == "film" else make_copy(film, kind, folder / f"{film.stem}__{kind}.mp4")
    with open_video(str(video), 36_000_000, 43_200.0) as opened:
        shots = ShotDetector(0.5, 0.5, float(opened.facts.fps))
        meter = HashMeter(shots.shots)
        times_s, _ = hand_out(opened, (shots, meter), 256)
        shots.finish(opened.end_s(times_s[-1]))
    return Seen(film.stem, kind, [Hashed(**row) for row in meter.choose(times_s)])  # type: ignore[arg-type]


def see_all(folder: Path, names: Sequence[str], videos: str, kinds: Sequence[str]) -> list[Seen]:
    """Every film and copy, made where it is missing and hashed."""
    if videos:
        paths = sorted(path for path in Path(videos).iterdir() if path.suffix in (".mp4", ".mkv", ".webm", ".mov"))
    else:
        known = {Path(file).stem: film for file, film in all_films(SEED).items()}
        paths = [folder / known[name].file for name in names]
        for name, path in zip(names, paths, strict=True):
            if not path.exists():
                make(known[name], SEED, folder)
    with ProcessPoolExecutor(JOBS) as pool:
        jobs = [pool.submit(look_at, path, kind, folder) for path in paths for kind in ("film", *kinds)]
        return [job.result() for job in jobs]


def order(seen: Sequence[Seen], contrast: float) -> Moments:
    """The moments of all videos, without plain pictures."""
    kept = [[moment for moment in one.moments if moment.contrast >= contrast] for one in seen]
    every = [moment for own in kept for moment in own]
    counts = [len(own) for own in kept]
    return Moments(
        np.repeat(np.arange(len(seen)), counts),
        np.array([moment.time_s for moment in every]),
        np.array([moment.hash for moment in every], dtype=np.uint64),
        np.append(0, np.cumsum(counts)),
    )


def films(folder: Path, small: bool, videos: str) -> Iterator[Line]:
    """Recall of each kind of copy against its film, and precision over all pairs."""
    names = ("cuts_h264_23976", "one_take_static", "cuts_h264_25_fast8") if small else FILMS
    kinds = ("crf35", "logo", "with_intro") if small else tuple(COPIES)
    seen = see_all(folder, names, videos, kinds)
    moments = order(seen, config().perceptual.contrast)
    pairs = find_alike(moments, 0, config().perceptual)
    met = [(seen[one], seen[other]) for one, other in pairs.select("earlier", "later").iter_rows()]
    wrong = sorted({f"{one.film} ~ {other.film}" for one, other in met if one.film != other.film})
    same = [one.film == other.film for one, other in met]
    found = {(other.film, other.kind) for one, other in met if one.film == other.film and one.kind == "film"}
    usable = {one.film for n, one in enumerate(seen) if one.kind == "film" and moments.counts[n]}
    yield Line("precision of pairs", sum(same) / max(1, len(same)), "", 0.98, "; ".join(wrong[:6]), at_least=True)
    for kind in kinds:
        missed = sorted(film for film in usable if (film, kind) not in found)
        how = f"of {len(usable)} films, missed: {', '.join(missed) or 'none'}"
        yield Line(f"recall: {kind}", 1 - len(missed) / len(usable), "", LEAST.get(kind, 0.98), how, at_least=True)


def measure(folder: Path, *, parts: str = "hashes,films", videos: str = "", small: bool = False) -> Iterator[Line]:
    place = shared(folder) / "dedup"  # for every tree
    place.mkdir(parents=True, exist_ok=True)
    if "hashes" in parts:
        yield from hashes(place, small)
    if "films" in parts:
        yield from films(place, small, videos)
