"""Measures what `crop` finds on made films: logos, subtitles, tickers and bars, and what it takes of films without any.

Films under moving cameras, and of several shots under still ones (scripts/truth/overlaid.py); made first where they
are not (some minutes). A clip is freed if its box holds nothing of what lies on the picture; `lost` is the mean share
of the picture that is cut off beyond what must be.
"""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple, cast

import polars as pl

from scripts.bench.inputs.films import settings
from scripts.bench.inputs.samples import SEED
from scripts.bench.lines import Line, shared
from scripts.truth.drawing.camera import pan, sway, zoom
from scripts.truth.drawing.props import talker
from scripts.truth.drawing.writing import make
from scripts.truth.film import Film
from scripts.truth.overlaid import SIZE, Overlay, letterbox, logo, overlaid, scene, subtitle, ticker
from stages.core.schema.frame import KEY_FRAMES
from stages.core.schema.types import Row
from stages.core.video.crop.clips import crop_clips, make_jobs
from stages.core.video.crop.settings import Settings
from stages.core.video.measure.key_frames import KeyFrame
from stages.core.video.measure.one_pass import measure as measure_video

OVERLAYS: dict[str, Callable[[int], Overlay | None]] = {
    "nothing": lambda seed: None,
    "a logo": lambda seed: logo(seed, "left" if seed % 2 else "right"),
    "a faint logo": lambda seed: logo(seed, "right", 0.6),
    "a subtitle": subtitle,
    "a subtitle on a plate": lambda seed: subtitle(seed, 0.75),
    "a ticker": ticker,
    "bars": lambda seed: letterbox(0.125),
}
MOVES = (pan(0.08), pan(-0.15), pan(0, 0.1), zoom(0.12), sway(0.03, 3), pan(0.02))
KINDS = (
    *(("leaves", "warm"), ("city", "cold"), ("forest", "green"), ("grass", "grey"), ("bokeh", "pastel")),
    *(("room", "vivid"), ("bricks", "warm"), ("clouds", "cold"), ("sky", "warm")),
)


class Cropped(NamedTuple):
    """What came of a clip: whether the box holds nothing of the overlay, and how much of the picture is left."""

    spared: bool
    share: float


def films(what: str, small: bool) -> Iterator[tuple[Film, Overlay | None]]:
    """A film under each of MOVES and two of four still shots, with this on them."""
    name = what.replace(" ", "_")
    for turn, move in enumerate(MOVES[:1] if small else MOVES):
        seed = 8 * list(OVERLAYS).index(what) + turn
        overlay = OVERLAYS[what](seed)
        yield overlaid(f"crop_{name}_{turn}", (scene(*KINDS[2 * seed % 9], seed, move),), overlay, seconds=3), overlay
    for turn in range(0 if small else 2):
        seed = 8 * list(OVERLAYS).index(what) + 6 + turn
        kinds = [KINDS[(seed + 2 * shot) % 9] for shot in range(4)]
        shots = tuple(scene(*kind, seed + n, props=(talker(seed + n, 0.1 * n),)) for n, kind in enumerate(kinds))
        overlay = OVERLAYS[what](seed)
        yield overlaid(f"crop_shots_{name}_{turn}", shots, overlay, seconds=1.6), overlay


def clips_of(video: Path, folder: Path) -> tuple[list[Row], pl.DataFrame]:
    """The shots of a video as clips, and the places of its key frames."""
    key_frames: list[KeyFrame] = []
    tables = measure_video(str(video), settings("exact"), key_frames.append)
    facts = tables["rows"][0]
    table = pl.DataFrame([{"video_id": "v", **frame._asdict()} for frame in key_frames], schema=KEY_FRAMES)
    file = folder / "key_frames.parquet"
    table.write_parquet(file)
    places = table.drop("jpeg").with_columns(file=pl.lit(str(file)), row=pl.int_range(pl.len()))
    kept = {
        name: value for name, value in facts.items() if name.startswith("border") or name in ("width_px", "height_px")
    }
    clips = [{**kept, **shot, "video_id": "v", "camera": facts["camera"]} for shot in tables["shots"]]
    return clips, places


def judged(row: Row, overlay: Overlay | None) -> Cropped:
    share = float(str(row["crop_share"]))
    if overlay is None or share == 1:
        return Cropped(overlay is None and share == 1, share)
    x, y = (int(str(row[f"crop_{side}_px"])) for side in ("x", "y"))
    right, bottom = x + int(str(row["crop_width_px"])), y + int(str(row["crop_height_px"]))
    box = overlay.box
    apart = x >= box[2] * SIZE[0] or right <= box[0] * SIZE[0] or y >= box[3] * SIZE[1] or bottom <= box[1] * SIZE[1]
    return Cropped(apart, share)


def measure(folder: Path, *, small: bool = False) -> Iterator[Line]:
    place = shared(folder) / "crop"  # for every tree
    place.mkdir(parents=True, exist_ok=True)
    spent_s, count = 0.0, 0
    for what in OVERLAYS:
        found: list[Cropped] = []
        lost: list[float] = []
        for film, overlay in films(what, small):
            if not (place / film.file).exists():
                make(film, SEED, place)
            clips, places = clips_of(place / film.file, folder)
            before = time.process_time()
            made = [crop_clips(job, Settings(False, 0.3))["clips"] for job in make_jobs(clips, places)]
            spent_s, count = spent_s + time.process_time() - before, count + len(clips)
            found += (results := [judged(row, overlay) for rows in made for row in cast(list[Row], rows)])
            best = (overlay.left[2] - overlay.left[0]) * (overlay.left[3] - overlay.left[1]) if overlay else 1.0
            lost += [max(0.0, best - one.share) for one in results if one.spared]
        spared = sum(one.spared for one in found) / len(found)
        how = f"of {len(found)} clips; lost {sum(lost) / max(1, len(lost)):.3f}"
        title = "clips with nothing on them that stay whole" if what == "nothing" else f"clips freed of {what}"
        yield Line(title, spared, "", 0.98 if what in ("nothing", "bars") else 0.9, how, at_least=True)
    yield Line("CPU a clip", 1000 * spent_s / max(1, count), "ms")
