"""The scores of the ground-truth corpus, and the quick way through PySceneDetect's settings."""

from fractions import Fraction

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from scenedetect import AdaptiveDetector, ContentDetector, HashDetector, HistogramDetector, StatsManager
from scenedetect.detector import FlashFilter, SceneDetector

from scripts.bench.peers.detectors import ReplayedAdaptive, ReplayedContent, apart, fed
from scripts.bench.scores import (
    Score,
    mean_within,
    same_spans,
    score_cuts,
    score_graduals,
    share,
    spread,
    total,
)

FPS = Fraction(25)
CHANGE = [(100, 120)]  # a gradual change


@pytest.mark.parametrize(("strict", "wrong"), [(False, (60,)), (True, (60, 99, 110, 121))])
def test_cuts_in_a_gradual_change_or_a_frame_beside_it_are_errors_only_if_strict(
    strict: bool, wrong: tuple[int, ...]
) -> None:
    found = score_cuts([50, 200], CHANGE, [50, 60, 99, 110, 121], strict=strict)
    assert found == Score(1, wrong, (200,))


def test_a_cut_a_frame_away_is_missed_and_wrong_but_within_a_tolerance() -> None:
    assert score_cuts([50], [], [51], strict=False) == Score(0, (51,), (50,))
    assert score_cuts([50], [], [51], strict=False, tolerance=1) == Score(1)


def test_two_cuts_near_a_true_one_do_not_both_meet_it() -> None:
    assert score_cuts([50], [], [49, 50], strict=False, tolerance=2) == Score(1, (50,), ())


def test_a_gradual_change_is_found_by_its_middle_once() -> None:
    assert score_graduals(CHANGE, [(90, 112)], []) == Score(1)
    assert score_graduals(CHANGE, [(90, 108)], []) == Score(0, (90,), (100,))
    assert score_graduals(CHANGE, [(98, 110), (112, 118)], []) == Score(1, (112,), ())


def test_a_cut_inside_a_gradual_change_finds_it_and_one_elsewhere_does_not_count() -> None:
    assert score_graduals(CHANGE, [], [30, 105, 118]) == Score(1)
    assert score_graduals(CHANGE, [], [30]) == Score(0, (), (100,))


def test_scores_add_up() -> None:
    score = total([Score(3, (7,), ()), Score(0, (), (9, 12)), Score()])
    assert (score.precision, score.recall) == (3 / 4, 3 / 5)
    assert score.f1 == pytest.approx(2 / 3)
    assert Score().f1 == pytest.approx(1)


def test_spans_are_the_same_within_so_many_seconds_and_only_one_by_one() -> None:
    assert same_spans([(1, 3), (5, 9)], [(1.08, 3), (5, 8.92)], 0.08)
    assert not same_spans([(1, 3)], [(1.1, 3)], 0.08)
    assert not same_spans([(1, 9)], [(1, 3), (3, 9)], 0.08)


def test_shares_means_and_spreads() -> None:
    assert share([(0, 1), (2, 3.5)], 10) == 0.25
    assert mean_within([0.1, None, 0.3, 0.5], 0, 3) == pytest.approx(0.2)
    assert mean_within([0.1, 0.7], 0.5, 0.9) == pytest.approx(0.1)
    assert mean_within([None], 0, 1) is None
    assert spread([0.2, 0.21]) == pytest.approx(0.05)


@pytest.fixture(scope="module")
def pictures() -> list[NDArray[np.uint8]]:
    """BGR of 96 x 64: scenes of 3 to 60 frames that flicker."""
    chance = np.random.default_rng(5)
    made: list[NDArray[np.uint8]] = []
    for length in (40, 3, 8, 60, 4, 40, 30):
        scene = cv2.resize(chance.integers(0, 255, (4, 6, 3)).astype(np.uint8), (96, 64))
        made += [np.clip(scene * chance.uniform(0.9, 1.05), 0, 255).astype(np.uint8) for _ in range(length)]
    return made


def scored(detector: SceneDetector, pictures: list[NDArray[np.uint8]]) -> list[list[float]]:
    """What a detector measures of each frame."""
    detector.stats_manager = StatsManager()
    fed(detector, pictures, FPS)
    frames = [detector.stats_manager.get_metrics(at, detector.get_metrics()) for at in times(len(pictures))]
    return [[float("nan") if value is None else value for value in frame] for frame in frames]


def times(count: int) -> list[object]:
    from scenedetect import FrameTimecode

    return [FrameTimecode(n, fps=float(FPS)) for n in range(count)]


@pytest.mark.parametrize("least", [1, 15])
@pytest.mark.parametrize("mode", list(FlashFilter.Mode))
def test_replayed_content_scores_give_the_detectors_own_cuts(
    pictures: list[NDArray[np.uint8]], least: int, mode: FlashFilter.Mode
) -> None:
    scores = [frame[0] if frame[0] == frame[0] else 0.0 for frame in scored(ContentDetector(), pictures)]
    own = fed(ContentDetector(15, least, filter_mode=mode), pictures, FPS)
    assert own
    assert fed(ReplayedContent(15, least, filter_mode=mode), scores, FPS) == own
    assert fed(ReplayedAdaptive(2.0, least, 2, 10), scores, FPS) == fed(
        AdaptiveDetector(2.0, least, 2, 10), pictures, FPS
    )


@pytest.mark.parametrize("least", [1, 15])
def test_suspects_kept_apart_are_the_detectors_own_cuts(pictures: list[NDArray[np.uint8]], least: int) -> None:
    correlations = np.array(scored(HistogramDetector(), pictures))[:, 0]
    own = fed(HistogramDetector(0.3, 128, least), pictures, FPS)
    assert own
    assert apart(correlations <= 1 - 0.3, least) == own
    distances = np.array(scored(HashDetector(), pictures))[:, 0]
    assert apart(distances >= 0.3, least) == fed(HashDetector(0.3, 8, 2, least), pictures, FPS)
