"""Clips: what counts as a border, what is merged and dropped, and the signals of a clip's seconds."""

import random
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import polars as pl
import pytest

from stages.core.schema.clip import CLIP
from stages.core.schema.second import SIGNALS
from stages.core.schema.video import CHANGES, SHOTS, TIMES
from stages.split import MERGED, Borders, Config, Margin, Merge, Spans, make_clips

PROOF = ("cut_score_max", "gradual_score_max", "merged_unlike")
ANALYZED = {"cut": 0.5, "gradual": 0.5}


class Change(NamedTuple):
    kind: str
    start: int
    end: int
    score: float


def config(
    *,
    min_s: float = 0,
    max_s: float = 1e9,
    margin: int = 0,
    cut: float | None = None,
    gradual: float | None = None,
) -> Config:
    return Config(min_s, max_s, Margin(margin, margin), Borders(cut, gradual), Spans("keep"), Merge(None, 0.1, None))


def between(changes: Sequence[Change], frames: int, least: dict[str, float]) -> list[tuple[int, int]]:
    """Shots, worked out frame by frame: none has a frame of a gradual transition that is a border."""
    counting = [c for c in changes if c.score >= least[c.kind]]
    lost = {frame for c in counting if c.kind == "gradual" for frame in range(c.start, c.end)}
    begins = {frame for c in counting if c.kind == "cut" for frame in (c.start,)}
    found: list[list[int]] = []
    for frame in range(frames):
        if frame in lost:
            continue
        if frame == 0 or frame - 1 in lost or frame in begins:
            found.append([frame, frame])
        found[-1][1] = frame + 1
    return [(start, end) for start, end in found]


def tables(changes: Sequence[Change], frames: int, video: str = "v") -> dict[str, pl.DataFrame]:
    """What analyze gives for a video of 25 fps with these changes, without signals."""
    spans = between(changes, frames, ANALYZED)
    scores = {c.end: c.score for c in changes if c.score >= ANALYZED[c.kind]}
    shots = [(video, n, start, end, start / 25, end / 25, scores.get(start), n) for n, (start, end) in enumerate(spans)]
    rows = [
        (video, c.kind, c.start, c.end, c.start / 25, c.end / 25, c.score, c.score >= ANALYZED[c.kind]) for c in changes
    ]
    return {
        "shots": pl.DataFrame(shots, schema=SHOTS, orient="row"),
        "changes": pl.DataFrame(rows, schema=CHANGES, orient="row"),
        "times": pl.DataFrame(schema=TIMES),
        "signals": pl.DataFrame(schema=SIGNALS),
    }


def clips(made: dict[str, pl.DataFrame], config: Config, merged: dict[int, float] | None = None) -> pl.DataFrame:
    """`merged`: shots that go on the take of the one before → how unlike the frames beside the border are."""
    videos = made["shots"].select("video_id").unique(maintain_order=True).with_columns(fps=25.0)
    found = [("v", shot, unlike) for shot, unlike in (merged or {}).items()]
    return make_clips(videos, made, config, pl.DataFrame(found, schema=MERGED, orient="row"))


def spans(found: pl.DataFrame) -> list[tuple[int, int]]:
    return found.select("start_frame", "end_frame").rows()


def any_changes(chance: random.Random, frames: int) -> list[Change]:
    """Changes as analyze gives them: gradual ones do not overlap, and one that it took holds no cut."""
    changes, at = [], 1
    while (at := at + chance.randrange(1, 60)) < frames - 40:
        if chance.random() < 0.5:
            changes.append(Change("cut", at, at, chance.random()))
        else:
            change = Change("gradual", at, at + chance.randrange(1, 30), chance.random())
            inside = [chance.randrange(change.start, change.end + 1) for _ in range(chance.randrange(3))]
            inside = inside if change.score < ANALYZED["gradual"] else []
            changes += [change, *(Change("cut", frame, frame, chance.random()) for frame in sorted(set(inside)))]
            at = change.end
    return changes


DISSOLVE = [Change("cut", 100, 100, 0.9), Change("gradual", 200, 230, 0.6), Change("cut", 300, 300, 0.3)]


def test_clips_are_analyzes_shots_unless_asked_otherwise() -> None:
    made = clips(tables(DISSOLVE, 400), config())
    assert spans(made) == [(0, 100), (100, 200), (230, 400)]
    assert made["clip_id"].to_list() == ["v_0_100", "v_100_200", "v_230_400"]
    assert made.select("shot", "start_s", "end_s", "duration_s", "fps", "drop_reason").rows() == [
        (0, 0.0, 4.0, 4.0, 25.0, None), (1, 4.0, 8.0, 4.0, 25.0, None), (2, 9.2, 16.0, pytest.approx(6.8), 25.0, None)
    ]  # fmt: skip
    assert made.schema == pl.Schema(CLIP)


def test_other_thresholds_give_other_shots_without_decoding() -> None:
    assert spans(clips(tables(DISSOLVE, 400), config(cut=0.2))) == [(0, 100), (100, 200), (230, 300), (300, 400)]
    assert spans(clips(tables(DISSOLVE, 400), config(cut=0.95))) == [(0, 200), (230, 400)]
    assert spans(clips(tables(DISSOLVE, 400), config(gradual=0.7))) == [(0, 100), (100, 400)]
    assert spans(clips(tables(DISSOLVE, 400), config(cut=1, gradual=1))) == [(0, 400)]


def test_a_cut_within_a_gradual_change_that_counts_parts_nothing() -> None:
    within = [Change("gradual", 100, 130, 0.4), *(Change("cut", n, n, 0.8) for n in (100, 110, 130, 131))]
    assert spans(clips(tables(within, 200), config())) == [(0, 100), (100, 110), (110, 130), (130, 131), (131, 200)]
    assert spans(clips(tables(within, 200), config(gradual=0.4))) == [(0, 100), (130, 131), (131, 200)]


def test_shots_are_those_that_the_changes_leave_whatever_the_thresholds() -> None:
    chance = random.Random(5)
    for _ in range(100):
        frames = chance.randrange(50, 900)
        changes = any_changes(chance, frames)
        least = {kind: round(chance.random(), 2) for kind in ("cut", "gradual")}
        made = tables(changes, frames)
        assert spans(clips(made, config(cut=least["cut"], gradual=least["gradual"]))) == between(changes, frames, least)
        same = clips(made, config(cut=0.5, gradual=0.5))
        assert same.equals(clips(made, config()))
        assert spans(same) == made["shots"].select("start_frame", "end_frame").rows()


def test_shots_that_go_on_the_take_before_are_merged_with_it() -> None:
    changes = [Change("cut", 100, 100, 0.55), Change("cut", 200, 200, 0.55), Change("gradual", 300, 320, 0.9)]
    made = tables(changes, 400)
    assert spans(clips(made, config())) == [(0, 100), (100, 200), (200, 300), (320, 400)]
    assert spans(clips(made, config(), {1: 0.02})) == [(0, 200), (200, 300), (320, 400)]
    assert spans(clips(made, config(), {1: 0.02, 2: 0.04})) == [(0, 300), (320, 400)]
    whole = clips(made, config(), {1: 0.02, 2: 0.04, 3: 0.01})
    assert whole.select("start_frame", "end_frame", *PROOF).rows() == [(0, 400, 0.55, 0.9, 0.04)]


def test_a_border_that_analyze_did_not_have_is_not_merged() -> None:
    made = tables([Change("cut", 100, 100, 0.3), Change("cut", 200, 200, 0.6)], 300)
    assert spans(clips(made, config(cut=0.2), {1: 0.0})) == [(0, 100), (100, 300)]


def test_a_clip_bears_the_largest_scores_of_changes_within_it_as_counted_frame_by_frame() -> None:
    assert clips(tables([], 100), config()).select(PROOF).rows() == [(0.0, 0.0, None)]
    chance = random.Random(9)
    several = 0
    for _ in range(60):
        changes = any_changes(chance, 900)
        least = {kind: round(chance.uniform(0.5, 1), 2) for kind in ("cut", "gradual")}
        made = tables(changes, 900)
        found = clips(made, config(**least, margin=chance.choice([0, 3]), max_s=chance.choice([4, 1e9])))
        for start, end, cut, gradual in found.select("start_frame", "end_frame", *PROOF[:2]).iter_rows():
            cuts = [c.score for c in changes if c.kind == "cut" and start <= c.start - 1 and c.start < end]
            taken = [c for c in changes if c.kind == "gradual" and {*range(c.start, c.end)} & {*range(start, end)}]
            assert cut == max(cuts, default=0.0)
            assert gradual == max((c.score for c in taken), default=0.0)
            assert cut < least["cut"]
            several += len(cuts) > 1
    assert several > 20


def test_a_clip_bears_the_number_of_the_shot_of_analyze_in_which_it_begins() -> None:
    made = clips(tables(DISSOLVE, 400), config(cut=0.2, gradual=0.7, max_s=4))
    assert spans(made) == [(0, 100), (100, 200), (200, 300), (300, 400)]
    assert made["shot"].to_list() == [0, 1, 1, 2]


@pytest.mark.parametrize(("frames", "reason"), [(49, "too_short"), (50, None), (51, None)])
@pytest.mark.parametrize("start", [0, 83, 100_003])
def test_a_shot_that_is_too_short_is_a_row_with_its_reason(start: int, frames: int, reason: str | None) -> None:
    made = tables([Change("cut", start, start, 1.0)] if start else [], start + frames)
    assert clips(made, config(min_s=2))["drop_reason"].to_list()[-1] == reason


def test_what_margins_leave_is_measured_against_the_limits() -> None:
    made = tables([Change("cut", 100, 100, 1.0), Change("cut", 154, 154, 1.0), Change("cut", 160, 160, 1.0)], 300)
    found = clips(made, config(min_s=2, max_s=4, margin=3))
    assert spans(found) == [(0, 97), (103, 151), (154, 160), (163, 232), (232, 300)]
    assert found["drop_reason"].to_list() == [None, "too_short", "too_short", None, None]
    assert clips(made, config(margin=3))["drop_reason"].to_list() == [None, None, "too_short", None]


def test_every_shot_of_every_video_has_its_clips_in_order_under_ids_of_their_own() -> None:
    chance = random.Random(7)
    videos = ["b", "a", "a_0", "c"]
    made = [tables(any_changes(chance, 2000), 2000, video=video) for video in videos]
    whole = {name: pl.concat(table[name] for table in made) for name in made[0]}
    found = clips(whole, config(min_s=1, max_s=2, margin=2))
    assert found["clip_id"].n_unique() == len(found)
    assert found["video_id"].unique(maintain_order=True).to_list() == videos
    assert found.select("video_id", "shot").unique().sort(pl.all()).equals(
        whole["shots"].select("video_id", "shot").sort(pl.all())
    )  # fmt: skip
    for video, alone in zip(videos, made, strict=True):
        own = found.filter(pl.col("video_id") == video)
        assert own.equals(clips(alone, config(min_s=1, max_s=2, margin=2)))
        assert all(a[1] <= b[0] for a, b in pairwise(spans(own)))


def test_times_of_uneven_frames_are_those_of_the_frames() -> None:
    made = tables([Change("cut", 50, 50, 1.0)], 100)
    steps = [40_000] * 45 + [90_000] + [40_000] * 53
    made["times"] = pl.DataFrame([{"video_id": "v", "first_us": 0, "steps_us": steps}], schema=TIMES)
    late = (pl.col("start_s", "end_s") * 25 > 45.5).cast(pl.Float64) * 0.05
    made["shots"], made["changes"] = (
        made[name].with_columns(pl.col("start_s", "end_s") + late) for name in ("shots", "changes")
    )
    found = clips(made, config(margin=10))
    assert found.select("start_frame", "end_frame", "start_s", "end_s").rows() == [
        (0, 40, 0.0, 1.6), (60, 100, pytest.approx(2.45), pytest.approx(4.05)),
    ]  # fmt: skip
