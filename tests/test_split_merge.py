"""Takes that analyze saw in parts are one clip again, by the frames beside the border; other scenes stay apart."""

from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import polars as pl
import pytest
from support.runs import command

from scripts.truth.cuts import alternating, cut
from scripts.truth.drawing.camera import closer, sway, whip
from scripts.truth.drawing.canvas import Backdrop
from scripts.truth.drawing.effects import flash
from scripts.truth.drawing.props import talker
from scripts.truth.drawing.scenes import Scene
from scripts.truth.drawing.writing import make
from scripts.truth.encodings import h264
from scripts.truth.film import Film
from scripts.truth.takes import take
from slurm.record.manifest import Step
from stages.core.schema.types import INT, REAL
from stages.core.video.merge.beside import is_plain, unlikeness
from stages.core.video.merge.borders import borders_to_compare

SIZE, BLACK = (320, 180), (16, 128, 128)
HELD = (sway(0.005, 7),)


def jumps() -> Film:
    """One talker in one set-up with parts left out: every second shot is 1.25 times closer."""
    shots = []
    for n in range(3):
        who, moves = talker(7, 0.08 + 0.02 * n, 1.1 + 0.25 * (n % 2)), (closer(0.22 * (n % 2)), sway(0.0015, n))
        shots.append((Scene(Backdrop("room", "warm", 3), (900, 700), moves, (who,)), 35))
    return cut("jumps", tuple(shots), h264(24), size=SIZE)


def covered_cut() -> Film:
    """Two scenes with a white flash over the cut between them."""
    shots = tuple((Scene(Backdrop(kind, "warm", 1), (900, 700), HELD), 40) for kind in ("city", "leaves"))
    return cut("covered", shots, h264(24), size=SIZE, over=(flash((1.56,), 0.35),))


WHIPS = (whip(1.5, 0.08, 0.5), whip(3.5, 0.08, 0.5), sway(0.003, 5))
FILMS = {
    "white": take("white", "city", "cold", 4, moves=HELD, size=SIZE, over=(flash((1.0, 2.5), 0.19),)),
    "black": take("black", "forest", "green", 4, moves=HELD, size=SIZE, over=(flash((1.0, 2.5), 0.3, 1, 0, BLACK),)),
    "whips": take("whips", "room", "vivid", 5, moves=WHIPS, shutter_s=0.01),
    "abab": alternating(7, "abab", 8, "vivid"),
    "jumps": jumps(),
    "covered": covered_cut(),
}
MERGING = ("merge.below=0.9", "merge.flash_s=0.5")


class Found(NamedTuple):
    apart: pl.DataFrame  # clips, and the same ones merged
    merged: pl.DataFrame

    def of(self, film: str) -> tuple[int, int]:
        """The clips of a film, before and after merging."""
        apart, merged = (len(clips.filter(pl.col("video_id").str.starts_with(film))) for clips in self)
        return apart, merged

    def proof(self, film: str) -> dict[str, Any]:
        return self.merged.filter(pl.col("video_id").str.starts_with(film)).row(0, named=True)


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Found:
    folder = tmp_path_factory.mktemp("takes")
    (folder / "films").mkdir()
    for film in FILMS.values():
        make(film, 7, folder / "films")
    words = [
        "run=r",
        f"runs={folder / 'runs'}",
        f"input.path={folder / 'films'}",
        "chunks.size=4",
        "cluster.executor=debug",
    ]
    for more in (("step=apart",), ("step=merged", *MERGING)):
        done = command("stages.split", *words, "chunks.size=4", "min_s=0.1", *more)
        assert done.returncode == 0, done.stderr
    return Found(*(clips_of(folder / "runs" / "r", step) for step in ("apart", "merged")))


def clips_of(run: Path, step: str) -> pl.DataFrame:
    rows = Step(run, step).scan()
    assert rows is not None
    return rows.collect()


@pytest.mark.parametrize(("film", "parts"), [("white", 5), ("black", 5), ("whips", 3)])
def test_a_take_with_flashes_or_whip_pans_is_one_clip_again(found: Found, film: str, parts: int) -> None:
    assert found.of(film) == (parts, 1)


@pytest.mark.parametrize(("film", "shots"), [("abab", 26), ("jumps", 3)])
def test_shots_of_other_scenes_and_jump_cuts_stay_apart(found: Found, film: str, shots: int) -> None:
    assert found.of(film) == (shots, shots)


def test_a_flash_over_a_cut_joins_nothing(found: Found) -> None:
    apart, merged = found.of("covered")
    assert apart == merged > 1


def test_a_merged_clip_says_what_was_merged_in_it(found: Found) -> None:
    assert found.apart["merged_unlike"].null_count() == len(found.apart)
    assert (found.apart["cut_score_max"] < 0.5).all()
    flashed, whipped = found.proof("white"), found.proof("whips")
    assert flashed["cut_score_max"] > 0.9
    assert 0.5 <= whipped["cut_score_max"] < 0.9
    assert 0 <= whipped["merged_unlike"] <= 0.1


def test_only_weak_borders_and_short_shots_are_looked_at() -> None:
    rows = [("a", 0, None, 0, 50), ("a", 1, 0.6, 50, 60), ("a", 2, 0.9, 70, 125)]
    rows += [("b", 0, None, 0, 2), ("b", 1, 0.9, 2, 75)]
    schema = {"video_id": pl.String(), "shot": INT, "start_score": REAL, "start_frame": INT, "end_frame": INT}
    shots = pl.DataFrame(rows, schema=schema, orient="row")
    shots = shots.with_columns(start_s=pl.col("start_frame") / 25, end_s=pl.col("end_frame") / 25)
    weak, dissolve, other = ("a", 0, None, 1, True), ("a", 1, None, 2, False), ("b", 0, None, 1, True)
    assert borders_to_compare(shots, 0.7, None).rows() == [weak]
    assert borders_to_compare(shots, None, 0.4).rows() == [("a", 0, 1, 2, False)]
    assert borders_to_compare(shots, 0.6, 0.3).rows() == []
    assert borders_to_compare(shots, 1.0, None).rows() == [weak, dissolve, other]


def test_a_picture_that_jumps_at_a_cut_is_another_shot_and_one_far_away_in_a_pan_is_not() -> None:
    coarse = np.random.default_rng(5).integers(40, 215, (12, 40), dtype=np.uint8)
    canvas = np.asarray(cv2.resize(coarse, (400, 120), interpolation=cv2.INTER_CUBIC)[:72], dtype=np.uint8)
    here, beside, far = (np.ascontiguousarray(canvas[:, left : left + 128]) for left in (0, 6, 56))
    assert unlikeness(here, beside, at_cut=True) == 1
    assert unlikeness(here, beside, at_cut=False) < 0.05
    assert unlikeness(here, far, at_cut=True) < 0.05


def test_what_cannot_be_read_is_unlike_everything() -> None:
    noise = np.random.default_rng(3).integers(0, 255, (72, 128), dtype=np.uint8)
    assert unlikeness(noise, noise, at_cut=True) < 0.05
    for other in (None, noise[:40]):
        assert unlikeness(noise, other, at_cut=True) == unlikeness(other, noise, at_cut=False) == 1
    assert not is_plain(noise)
    assert is_plain(np.full_like(noise, 240))
    assert not is_plain(None)
