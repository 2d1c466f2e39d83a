"""FineVideo's `content_metadata`, name for name; what must hold beyond its shape stands in check.py.

Singular and plural are as FineVideo writes them (`timestamp` of activities, `timestamps` of edits and scenes), since
those who read such datasets look for these keys. Source: the dataset card of HuggingFaceFV/finevideo.
"""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

QUESTIONS = 5
NOTES = ("title", "description")  # keys of a schema that bind nothing
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


class Chapter(Part):
    """What is told of a part of a video: who is in it, and its scenes."""

    characterList: list[Character]
    scenes: Annotated[list[Scene], Field(min_length=1)]


class Overview(Part):
    """What is told of a video as a whole, once its scenes are known."""

    title: str
    description: str
    storylines: Storylines
    qAndA: Annotated[list[Question], Field(min_length=QUESTIONS, max_length=QUESTIONS)]
    trimmingSuggestions: list[Suggestion]


class ContentMetadata(Part):
    """The annotation of a video; `fps` is added when it is written."""

    title: str
    description: str
    characterList: list[Character]
    scenes: Annotated[list[Scene], Field(min_length=1)]
    storylines: Storylines
    qAndA: Annotated[list[Question], Field(min_length=QUESTIONS, max_length=QUESTIONS)]
    trimmingSuggestions: list[Suggestion]


def answer_schema(kind: type[Part] = ContentMetadata) -> dict[str, Any]:
    """The JSON schema that answers are bound to: without references, which not every server resolves."""
    schema = kind.model_json_schema()
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
