"""FineVideo's `content_metadata`, name for name, and what must hold beyond its shape.

Singular and plural are as FineVideo writes them (`timestamp` of activities, `timestamps` of edits and scenes), since
those who read such datasets look for these keys. Source: the dataset card of HuggingFaceFV/finevideo.
"""

from collections.abc import Iterator
from itertools import pairwise
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from stages.core.text.annotation.times import read_time
from stages.core.text.verdict import RejectedError

QUESTIONS = 5
NOTES = ("title", "description")  # keys of a schema that bind nothing
BEYOND_S = 5.0  # that a time may lie behind the end of the video: align mends that
Score = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


class Part(BaseModel):
    """Some part of an annotation. What it has beyond these keys is left out."""

    model_config = ConfigDict(extra="ignore", coerce_numbers_to_str=True)


class Timestamps(Part):
    start_timestamp: str
    end_timestamp: str


class Character(Part):
    characterId: str
    name: str
    description: str


class Activity(Part):
    description: str
    timestamp: Timestamps


class Prop(Part):
    name: str
    timestamp: Timestamps


class Edit(Part):
    description: str
    timestamps: Timestamps


class KeyMoment(Part):
    timestamp: str
    changeDescription: str


class Mood(Part):
    description: str
    keyMoments: list[KeyMoment]


class Moment(Part):
    description: str
    timestamp: str


class Interaction(Part):
    characters: list[str]
    description: str


class Scene(Part):
    sceneId: int
    title: str
    timestamps: Timestamps
    cast: list[str]
    activities: list[Activity]
    props: list[Prop]
    videoEditingDetails: list[Edit]
    mood: Mood
    narrativeProgression: list[Moment]
    characterInteraction: list[Interaction]
    thematicElements: str
    contextualRelevance: str
    dynamismScore: Score
    audioVisualCorrelation: Score


class Storylines(Part):
    description: str
    scenes: list[int]
    climax: Moment


class Question(Part):
    question: str
    answer: str


class Suggestion(Part):
    description: str
    timestamps: Timestamps


class ContentMetadata(Part):
    """The annotation of a video; `fps` is added when it is aligned."""

    title: str
    description: str
    characterList: list[Character]
    scenes: Annotated[list[Scene], Field(min_length=1)]
    storylines: Storylines
    qAndA: Annotated[list[Question], Field(min_length=QUESTIONS, max_length=QUESTIONS)]
    trimmingSuggestions: list[Suggestion]


def answer_schema() -> dict[str, Any]:
    """The JSON schema that answers are bound to: without references, which not every server resolves."""
    schema = ContentMetadata.model_json_schema()
    parts = schema.pop("$defs")

    def resolved(node: Any) -> Any:
        if isinstance(node, list):
            return [resolved(each) for each in node]
        if not isinstance(node, dict):
            return node
        if "$ref" in node:
            return resolved(parts[node["$ref"].rpartition("/")[2]])
        return {key: resolved(value) for key, value in node.items() if not (key in NOTES and isinstance(value, str))}

    made: dict[str, Any] = resolved(schema)
    return made


def check_content(content: ContentMetadata, duration_s: float, fps: float) -> None:
    """Raises RejectedError where an annotation contradicts itself or the video."""
    for fault in faults(content, duration_s, fps):
        raise RejectedError("schema", fault)


def faults(content: ContentMetadata, duration_s: float, fps: float) -> Iterator[str]:
    """What is wrong with it, in words that the model that wrote it can use."""
    characters = {name for each in content.characterList for name in (each.characterId, each.name)}
    numbers = [scene.sceneId for scene in content.scenes]
    if len(set(numbers)) < len(numbers):
        yield f"scenes: several have the same sceneId: {numbers}"
    if missing := set(content.storylines.scenes) - set(numbers):
        yield f"storylines.scenes: there is no scene {min(missing)}"
    begins_s = []
    for scene in content.scenes:
        where = f"scene {scene.sceneId}"
        if strangers := [name for name in scene.cast if name not in characters]:
            yield f"{where}: cast: {strangers[0]!r} is not in characterList"
        start, end = scene.timestamps.start_timestamp, scene.timestamps.end_timestamp
        times = [
            read_time(text, is_end=is_end, first_s=0.0, last_s=duration_s, fps=fps)
            for text, is_end in ((start, False), (end, True))
        ]
        if times[0] is None or times[1] is None:
            yield f"{where}: timestamps: {start!r} to {end!r} are no times: write them as MM:SS"
        elif not times[0] < times[1]:
            yield f"{where}: timestamps: it ends at {end} and begins at {start}"
        elif times[1] > duration_s + BEYOND_S:
            yield f"{where}: timestamps: it ends at {end}, the video at {duration_s:.0f} s"
        else:
            begins_s.append((times[0], where))
    for (before_s, _), (after_s, where) in pairwise(begins_s):
        if after_s < before_s:
            yield f"{where}: it begins before the scene that is listed before it"
