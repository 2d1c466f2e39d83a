"""The questions about one video, a part after the other, and what came of them: descriptions, or one annotation.

Each part is told who is known from the parts before it. A video of several parts gets one question more, about the
whole. An accepted answer is kept as `Told`; what was kept before a task ended is not asked again.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from slurm.pool.wire import Prompt, Reply
from stages.core.text.annotation.check import Stretch, check_chapter, check_content, check_overview
from stages.core.text.annotation.merge import Merged, outline
from stages.core.text.annotation.metadata import Chapter, ContentMetadata, Overview, answer_schema
from stages.core.text.annotation.timeline import Timeline
from stages.core.text.annotation.times import write_time
from stages.core.text.client import Answer, Question
from stages.core.text.prompts import Prompts, truncate_words
from stages.core.text.verdict import RejectedError, check_text, read_model, whole

if TYPE_CHECKING:
    from stages.core.text.annotation.pictures import Picture

ANNOUNCED = "characters:"  # the line before the list of characters of a description, in lower case
SCENE_WORDS = 30  # of a scene where all of a video are listed
CHARACTER_TOKENS = 40  # of a character where those known so far are listed
MOST_CHARACTERS = 100  # of these: the last ones
SCHEMAS = {kind: answer_schema(kind) for kind in (Chapter, ContentMetadata, Overview)}


@dataclass(frozen=True)
class Ways:
    """How all videos are told: what the stage's config says, read from its files."""

    method: str  # describe, structure or direct
    prompts: Prompts  # of a part
    overview: Prompts  # of the whole
    max_tokens: int
    language: str | None
    refusals: Sequence[str]
    shots: int
    transcript_tokens: int


class Video(NamedTuple):
    """What is known of a video. `described`: of method structure the descriptions of its parts."""

    row: Mapping[str, Any]
    timeline: Timeline
    parts: Sequence[tuple[float, float]]  # start and end, seconds
    described: Sequence[str] = ()


class Told(NamedTuple):
    """An answer. `part` -1: about the whole video; `error`: the code of one that was not accepted."""

    part: int
    start_s: float
    end_s: float
    text: str
    model: str
    revision: str | None
    prompt: str  # hash of its template
    tokens_in: int | None
    tokens_out: int | None
    tries: int
    latency_s: float
    error: str | None = None


class Telling:
    """One video."""

    def __init__(self, video: Video, ways: Ways, pictures: "Callable[[int], Sequence[Picture]]") -> None:
        self.video, self.ways, self.pictures = video, ways, pictures
        self.row, self.timeline, self.parts, self.described = video
        self.key, self.fps = str(self.row["video_id"]), float(self.row["fps"])
        self.done = 0  # accepted answers
        self.merged = Merged()
        self.characters: dict[str, str] = {}  # of descriptions: name → how to recognise it
        self.metadata: dict[str, Any] | None = None
        self.told: list[Told] = []

    @property
    def questions(self) -> int:
        """How many it takes."""
        return len(self.parts) + (self.ways.method != "describe" and len(self.parts) > 1)

    @property
    def finished(self) -> bool:
        return self.done == self.questions

    def resume(self, kept: Iterable[Told]) -> None:
        """Takes over accepted answers, in order, as far as they are accepted still."""
        for told in kept:
            question = self.question(with_pictures=False)
            if question is None or question.read is None:
                return
            reply = Reply(told.text, "end", told.tokens_in, told.tokens_out, None)
            try:
                value = question.read(reply)
            except RejectedError as error:
                if error.otherwise is None:
                    return
                value = error.otherwise
            self.take(value)
            self.told.append(told)

    def record(self, answer: Answer) -> Told:
        """The next answer, as it is kept."""
        assert answer.reply is not None
        number = len(self.told)
        part = number if number < len(self.parts) else -1
        start_s, end_s = self.parts[number] if part >= 0 else (0.0, self.timeline.duration_s)
        prompts = self.ways.prompts if part >= 0 else self.ways.overview
        used = answer.tokens_in, answer.tokens_out, answer.tries, answer.latency_s
        about = answer.reply.text, answer.model, answer.revision, prompts.hash
        self.told.append(Told(part, start_s, end_s, *about, *used, answer.error.code if answer.error else None))
        return self.told[-1]

    def question(self, *, with_pictures: bool = True) -> Question | None:
        """The next question; None after the last."""
        if self.finished:
            return None
        if self.done == len(self.parts):
            return self._about_whole()
        start_s, end_s = self.parts[self.done]
        pictures = self.pictures(self.done) if with_pictures else ()
        values = self._values(self.done, pictures)
        messages = [
            ("system", self.ways.prompts.system_message(values)),
            ("user", self.ways.prompts.user_message(values)),
        ]
        stretch = Stretch(start_s, end_s, self.fps)
        read: Callable[[Reply], Any]
        schema = None
        if self.ways.method == "describe":
            read = self._read_description
        elif len(self.parts) == 1:
            schema, read = SCHEMAS[ContentMetadata], lambda reply: self._read_content(reply, stretch)
        else:
            schema, read = SCHEMAS[Chapter], lambda reply: self._read_chapter(reply, stretch)
        prompt = Prompt(messages, self.ways.max_tokens, [one.jpeg for one in pictures], schema=schema)
        return Question(self.key, prompt, read, self._follow)

    def _about_whole(self) -> Question:
        values = {
            **self._about_video(),
            "characters": [character.model_dump() for character in self.merged.characters[-MOST_CHARACTERS:]],
            "scenes": outline(self.merged.scenes, SCENE_WORDS),
        }
        prompts = self.ways.overview
        messages = [("system", prompts.system_message(values)), ("user", prompts.user_message(values))]
        numbers = [scene.sceneId for scene in self.merged.scenes]

        def read(reply: Reply) -> Overview:
            overview = read_model(reply, Overview)
            self._check_words(overview.description)
            check_overview(overview, numbers, Stretch(0.0, self.timeline.duration_s, self.fps))
            return overview

        prompt = Prompt(messages, self.ways.max_tokens, schema=SCHEMAS[Overview])
        return Question(self.key, prompt, read, self._follow)

    def _follow(self, value: Any) -> Question | None:
        self.take(value)
        return self.question()

    def take(self, value: Any) -> None:
        """Takes the value of the next answer."""
        if isinstance(value, str):
            self.characters |= read_characters(value)
        elif isinstance(value, Overview):
            self.metadata = self.merged.whole(value)
        else:
            start_s, end_s = self.parts[self.done]
            numbers = self.merged.add(value, Stretch(start_s, end_s, self.fps))
            if isinstance(value, ContentMetadata):
                self.metadata = self.merged.whole(value, numbers)
        self.done += 1

    # what a prompt is told

    def _about_video(self) -> dict[str, object]:
        about = {name: self.row.get(name) for name in ("title", "channel")}
        return {**about, "language": self.ways.language, "duration": write_time(self.timeline.duration_s)}

    def _values(self, part: int, pictures: "Sequence[Picture]") -> dict[str, object]:
        start_s, end_s = self.parts[part]
        known = [(one.name, one.description) for one in self.merged.characters] or [*self.characters.items()]
        lines = self.timeline.said(start_s, end_s, self.ways.transcript_tokens)
        whole_text = str(self.row.get("transcript") or "") if len(self.parts) == 1 and not lines else ""
        return {
            **self._about_video(),
            "parts": len(self.parts),
            "part": part + 1,
            "start": write_time(start_s),
            "end": write_time(end_s),
            "characters": [
                {"name": name, "description": truncate_words(text, CHARACTER_TOKENS)}
                for name, text in known[-MOST_CHARACTERS:]
            ],
            "pictures": [write_time(one.time_s) for one in pictures],
            "shots": [shot.told() for shot in self.timeline.shots(start_s, end_s, self.ways.shots)],
            "lines": lines,
            "transcript": truncate_words(whole_text, self.ways.transcript_tokens),
            "spoken": self.row.get("spoken"),
            "described": self.described[part] if self.described else "",
        }

    # what is accepted

    def _read_description(self, reply: Reply) -> str:
        text = whole(reply)
        self._check_words(text)
        return text

    def _read_content(self, reply: Reply, stretch: Stretch) -> ContentMetadata:
        content = read_model(reply, ContentMetadata)
        self._check_words(content.description)
        check_content(content, stretch)
        return content

    def _read_chapter(self, reply: Reply, stretch: Stretch) -> Chapter:
        chapter = read_model(reply, Chapter)
        self._check_words("\n".join(one.description for scene in chapter.scenes for one in scene.activities))
        check_chapter(chapter, stretch, self.merged.characters)
        return chapter

    def _check_words(self, text: str) -> None:
        check_text(text, self.ways.language, self.ways.refusals)


VARIABLES = (  # that a template of a part may name
    *("title", "channel", "language", "duration", "parts", "part", "start", "end", "characters", "pictures", "shots"),
    *("lines", "transcript", "spoken", "described"),
)
OVERVIEW_VARIABLES = ("title", "channel", "language", "duration", "characters", "scenes")


def read_characters(description: str) -> dict[str, str]:
    """The characters that a description lists at its end (name → how to recognise it); none where it has no list."""
    lines = description.splitlines()
    heads = [n for n, line in enumerate(lines) if line.strip(" *#_").casefold().startswith(ANNOUNCED)]
    found = {}
    for line in lines[heads[-1] + 1 :] if heads else ():
        name, colon, text = line.strip().lstrip("-*• ").partition(": ")
        if colon and name.strip(" *"):
            found[name.strip(" *")] = text.strip(" *")
    return found


def usage(told: Sequence[Told]) -> Mapping[str, object]:
    """The columns that say by what, and at which cost, a video was told."""
    models = dict.fromkeys((one.model, one.revision) for one in told)
    model, revision = next(reversed(models), (None, None))
    counted = [(one.tokens_in, one.tokens_out) for one in told]
    tokens = [[count for count in column if count is not None] for column in zip(*counted, strict=True)] or [[], []]
    return {
        "annotation_model": model,
        "annotation_revision": revision,
        "prompt": told[0].prompt if told else None,
        "tokens_in": sum(tokens[0]) if tokens[0] else None,
        "tokens_out": sum(tokens[1]) if tokens[1] else None,
        "tries": sum(one.tries for one in told),
        "latency_s": sum(one.latency_s for one in told),
    }
