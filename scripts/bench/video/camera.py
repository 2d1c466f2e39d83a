"""Measures how often `split` names the camera's move of made films rightly, by what is in front of the camera.

Films of one shot, of every move slow and fast, over several pictures and in several shapes (scripts/truth/cameras.py).
They are made first where they are not (some minutes).
"""

from collections.abc import Iterator
from pathlib import Path

import polars as pl

from scripts.bench.inputs.films import settings
from scripts.bench.inputs.samples import SEED
from scripts.bench.lines import Line, shared
from scripts.truth.cameras import FRONTS, films
from scripts.truth.drawing.writing import make
from stages.core.schema.second import SIGNALS
from stages.core.timeline.measures import with_signals
from stages.core.video.measure.one_pass import measure as measure_video


def move_of(video: Path) -> str | None:
    """The name of the camera's move, of a clip that is the whole video."""
    tables = measure_video(str(video), settings("exact"), lambda key_frame: None)
    signals = pl.DataFrame(
        tables["signals"], schema={name: kind for name, kind in SIGNALS.items() if name != "video_id"}
    )
    end_s = float(str(tables["rows"][0]["duration_s"]))
    clip = pl.DataFrame({"video": [0], "start_s": [0.0], "end_s": [end_s]})
    found: str | None = with_signals(clip, signals.with_columns(video=pl.lit(0, pl.Int64)))["camera_move"][0]
    return found


def measure(folder: Path, *, small: bool = False) -> Iterator[Line]:
    place = shared(folder) / "camera"  # for every tree
    place.mkdir(parents=True, exist_ok=True)
    shown = list(films())[:: 9 if small else 1]
    wrong: dict[str, list[str]] = {front: [] for front in FRONTS}
    for name, front, film in shown:
        if not (place / film.file).exists():
            make(film, SEED, place)
        found = move_of(place / film.file)
        if found != name:
            wrong[front].append(f"{film.name} is {found}")
    for front in FRONTS:
        count = sum(each == front for _, each, _ in shown)
        right = 1 - len(wrong[front]) / max(1, count)
        yield Line(f"moves named rightly, {front} in front", right, "", 0.98, "; ".join(wrong[front]), at_least=True)
    yield Line("films in all", len(shown))
