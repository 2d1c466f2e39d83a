"""Lines of text: those that stay in their place, whatever they say."""

from stages.core.video.crop.box import Box
from stages.core.video.crop.texts import find_lines

SUBTITLES = [[Box(40, 80, 120, 88)], [Box(60, 80, 100, 88)], [Box(30, 79, 130, 88)]]


def test_subtitles_of_other_lengths_are_one_line() -> None:
    assert find_lines(SUBTITLES) == [boxes[0] for boxes in SUBTITLES]


def test_a_line_may_be_missing_in_half_of_the_frames_but_not_in_more() -> None:
    assert len(find_lines([*SUBTITLES[:2], [], []])) == 2
    assert find_lines([*SUBTITLES[:2], [], [], []]) == []


def test_a_text_that_the_camera_passes_or_that_is_seen_once_is_none() -> None:
    assert find_lines([[Box(10 * n, 80, 10 * n + 8, 88)] for n in range(5)]) == []
    assert find_lines([[Box(40, 80, 120, 88)]]) == []
    assert find_lines([]) == []
