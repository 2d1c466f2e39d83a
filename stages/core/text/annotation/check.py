"""What must hold of an annotation beyond its shape: whom and what it names is there, and its times are times."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, pairwise
from typing import NamedTuple

from stages.core.text.annotation.inside import unknown
from stages.core.text.annotation.metadata import Chapter, Character, ContentMetadata, Overview, Scene, Timestamps
from stages.core.text.annotation.times import read_time, write_time
from stages.core.text.verdict import RejectedError

BEYOND_S = 5.0  # that a scene may lie outside the part of the video that was asked about: it is held inside later


class Stretch(NamedTuple):
    """A part of a video, or the whole of it."""

    start_s: float
    end_s: float
    fps: float

    def read(self, value: object, *, is_end: bool) -> float | None:
        """A time as seconds from the video's start; None for what is no time."""
        return read_time(value, is_end=is_end, first_s=self.start_s, last_s=self.end_s, fps=self.fps)

    def span(self, times: Timestamps) -> tuple[float | None, float | None]:
        return self.read(times.start_timestamp, is_end=False), self.read(times.end_timestamp, is_end=True)


def check_content(content: ContentMetadata, stretch: Stretch) -> None:
    """Raises RejectedError where an annotation contradicts itself or the video."""
    numbers = [scene.sceneId for scene in content.scenes]
    reject(
        content,
        chain(scene_faults(content, stretch, []), story_faults(content, numbers, stretch)),
        chain(odd_times(content.scenes, stretch), odd_moments(content, stretch)),
    )


def check_chapter(chapter: Chapter, stretch: Stretch, known: Sequence[Character]) -> None:
    """The same of a part of a video, in which characters may appear that are known from the parts before it."""
    reject(chapter, scene_faults(chapter, stretch, known), odd_times(chapter.scenes, stretch))


def check_overview(overview: Overview, numbers: Sequence[int], stretch: Stretch) -> None:
    """The same of what is told of a video with these scenes."""
    reject(overview, story_faults(overview, numbers, stretch), odd_moments(overview, stretch))


def reject(told: Chapter | Overview | ContentMetadata, faults: Iterable[str], odd: Iterable[str]) -> None:
    """Raises RejectedError with the first fault. What only has an odd time may be taken where no answer is better:
    `align` leaves out what bears it.
    """
    for fault in faults:
        raise RejectedError("schema", fault)
    for fault in odd:
        raise RejectedError("schema", fault, otherwise=told)


def scene_faults(told: Chapter | ContentMetadata, stretch: Stretch, known: Sequence[Character]) -> Iterator[str]:
    """What is wrong with characters and scenes, in words that the model that wrote them can use."""
    ids = [each.characterId for each in told.characterList]
    if twice := next((name for name in ids if ids.count(name) > 1), None):
        yield f"characterList: several have the same characterId: {twice!r}"
    characters = {name for each in (*known, *told.characterList) for name in (each.characterId, each.name)}
    numbers = [scene.sceneId for scene in told.scenes]
    if len(set(numbers)) < len(numbers):
        yield f"scenes: several have the same sceneId: {numbers}"
    begins_s = []
    for scene in told.scenes:
        where = f"scene {scene.sceneId}"
        if strangers := [name for name in scene.cast if name not in characters]:
            yield f"{where}: cast: {strangers[0]!r} is not in characterList"
        start, end = scene.timestamps.start_timestamp, scene.timestamps.end_timestamp
        start_s, end_s = stretch.span(scene.timestamps)
        if start_s is None or end_s is None:
            yield f"{where}: timestamps: {start!r} to {end!r} are no times: write them as MM:SS"
        elif not start_s < end_s:
            yield f"{where}: timestamps: it ends at {end} and begins at {start}"
        elif end_s > stretch.end_s + BEYOND_S or start_s >= stretch.end_s:
            what = "this part of the video" if stretch.start_s else "the video"
            yield f"{where}: timestamps: it ends at {end}, {what} at {write_time(stretch.end_s)}"
        elif start_s < stretch.start_s - BEYOND_S or end_s <= stretch.start_s:
            begins = write_time(stretch.start_s)
            yield f"{where}: timestamps: it begins at {start}, this part of the video begins at {begins}"
        else:
            begins_s.append((start_s, where))
    for (before_s, _), (after_s, where) in pairwise(begins_s):
        if after_s < before_s:
            yield f"{where}: it begins before the scene that is listed before it"


def story_faults(told: Overview | ContentMetadata, numbers: Sequence[int], stretch: Stretch) -> Iterator[str]:
    """What is wrong with the storylines, whose scenes must be among these."""
    if missing := set(told.storylines.scenes) - set(numbers):
        yield f"storylines.scenes: there is no scene {min(missing)}"
    if not told.storylines.scenes:
        yield "storylines.scenes: it names no scene"
    climax = told.storylines.climax.timestamp
    at_s = stretch.read(climax, is_end=False)
    if at_s is not None and at_s > stretch.end_s + BEYOND_S:
        yield f"storylines.climax: it is at {climax}, the video ends at {write_time(stretch.end_s)}"


def odd_times(scenes: Iterable[Scene], stretch: Stretch) -> Iterator[str]:
    """The times within scenes that are none."""
    for scene in scenes:
        where = f"scene {scene.sceneId}"
        spans = [("activities", one.timestamp) for one in scene.activities]
        spans += [("props", one.timestamp) for one in scene.props]
        spans += [("videoEditingDetails", one.timestamps) for one in scene.videoEditingDetails]
        for name, times in spans:
            yield from odd_span(f"{where}: {name}", times, stretch)
        moments = [("mood.keyMoments", one.timestamp) for one in scene.mood.keyMoments]
        moments += [("narrativeProgression", one.timestamp) for one in scene.narrativeProgression]
        for name, text in moments:
            yield from odd_time(f"{where}: {name}", text, stretch)


def odd_moments(told: Overview | ContentMetadata, stretch: Stretch) -> Iterator[str]:
    """The times of the video as a whole that are none."""
    yield from odd_time("storylines.climax", told.storylines.climax.timestamp, stretch)
    for suggestion in told.trimmingSuggestions:
        yield from odd_span("trimmingSuggestions", suggestion.timestamps, stretch)


def odd_span(where: str, times: Timestamps, stretch: Stretch) -> Iterator[str]:
    yield from odd_time(where, times.start_timestamp, stretch)
    yield from odd_time(where, times.end_timestamp, stretch)


def odd_time(where: str, text: str, stretch: Stretch) -> Iterator[str]:
    if stretch.read(text, is_end=False) is None and not unknown(text):
        yield f"{where}: {text!r} is no time: write it as MM:SS"
