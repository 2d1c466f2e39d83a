"""Which steps of a run the explorer reads, and which columns of them: those of clips, of videos, and of frames."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import polars as pl

from slurm.record.manifest import Step

Level = Literal["clip", "video", "frame"]
Kind = Literal["number", "flag", "text"]
KEYS: dict[Level, str] = {"clip": "clip_id", "video": "video_id"}
MARKS = ("error", "error_detail", "drop_reason")
# how a value was made, and where it lies: shown of a row, no filter
BOOKKEEPING = re.compile(
    r"(^|_)(model|models|revision|prompt|replica|tries|tokens_in|tokens_out|latency_s|taxonomy|extension|frame|version"
    r"|path|id|sha256|hash|bytes|frames|px|raw|by|hwaccel|rank|url|notes|shard)$|^(caption|refine|rewrite|start|end|span_start|span_end|orig_start|orig_end|offset)_s$|^shot$"
)
WORDS = (
    "title",
    "description",
    "transcript",
    "content_metadata",
    "original",
    "detailed_caption",
    "annotation_title",
    "annotation_description",
)
CAPTION = re.compile(r"(^|_)caption(_(short|detailed|motion|camera|background))?$")
FRAME_FACTS = ("frame_id", "time_s", "width_px", "height_px", "caption", "detailed_caption", "regions", "texts")


@dataclass(frozen=True)
class Column:
    """A column of items: the steps that give it, nearest first, those of clips apart from those of videos."""

    name: str
    kind: Kind
    clip: tuple[str, ...] = ()
    video: tuple[str, ...] = ()
    frame: tuple[str, ...] = ()

    @property
    def is_words(self) -> bool:
        return self.name in WORDS or bool(CAPTION.search(self.name))

    @property
    def filters(self) -> bool:
        """Whether rows can be filtered by it, as far as its name tells."""
        return not self.is_words and not BOOKKEEPING.search(self.name)


@dataclass(frozen=True)
class Layout:
    """`steps` in their order; `clips`, `videos` and `frames`: those with a row each, nearest to the result first."""

    steps: Sequence[Step]
    clips: Sequence[Step]
    videos: Sequence[Step]
    frames: Sequence[Step]
    columns: Sequence[Column]

    def chain(self, level: Level) -> list[Step]:
        """The last step of a level and those before it, nearest first: what decides whether an item is kept."""
        own = self.clips if level == "clip" else self.videos
        near = lineage(own[0], self.steps) if own else []
        return [step for step in own if step.name in near]

    def table(self, table: str) -> Step | None:
        """The nearest step with a side table of which it has files."""
        return self._tables.get(table)

    @cached_property
    def _tables(self) -> dict[str, Step]:
        found: dict[str, Step] = {}
        for step in (*self.clips, *self.videos, *self.frames):
            for table in step.plan.tables.keys() - found.keys():
                if step.files(table):
                    found[table] = step
        return found

    @cached_property
    def words(self) -> list[str]:
        """The columns that hold texts to be read."""
        return [column.name for column in self.columns if column.is_words]

    @cached_property
    def captions(self) -> list[str]:
        return [name for name in self.words if "caption" in name]

    def judged(self) -> list[str]:
        """The columns that rules look at."""
        rules = [rule for step in self.steps for rule in rules_of(step).items()]
        return [str(rule["column"] or key.rpartition(".")[2]) for key, rule in rules]


def rules_of(step: Step) -> dict[str, dict[str, Any]]:
    """The rules of a step, those in groups, too, each by its key: `motion`, `size.any.wide`."""
    found: dict[str, dict[str, Any]] = {}
    left = list(step.plan.config.get("rules", {}).items())
    for key, rule in left:  # the list grows during the loop
        joins = next((name for name in ("any", "all") if rule.get(name)), None)
        if joins is None:
            found[key] = rule
        else:
            left += [(f"{key}.{joins}.{name}", member) for name, member in rule[joins].items()]
    return found


def lineage(step: Step, steps: Sequence[Step]) -> list[str]:
    """The names of the step and of those before it, nearest first."""
    known = {other.name: other for other in steps}
    names = [step.name]
    for name in names:  # the list grows during the loop
        names += [other for other in known[name].plan.inputs if other in known and other not in names]
    return names


def lay_out(steps: Sequence[Step]) -> Layout:
    """The layout of finished steps that are in their order."""
    with_rows = [step for step in steps if step.files()]
    of_clips = [step for step in with_rows if step.plan.key == "clip_id" and "video_id" in step.plan.gives]
    clips = nearest_first(of_clips, with_rows)
    videos = nearest_first([step for step in with_rows if step.plan.key == "video_id"], with_rows, clips[:1])
    others = [s for s in with_rows if s not in clips and s not in videos]
    frames = [s for s in reversed(others) if {"time_s", "video_id"} <= s.plan.gives.keys()]
    found: dict[str, Column] = {}
    for level, own in (("clip", clips), ("frame", frames), ("video", videos)):
        for step in own:
            for name, kind in kinds(step, level == "frame"):
                column = found.setdefault(name, Column(name, kind))
                if column.kind == kind:
                    places = (*getattr(column, level), step.name)
                    found[name] = Column(**{**vars(column), level: places})
    return Layout([s for s in with_rows if s in (*clips, *videos, *frames)], clips, videos, frames, [*found.values()])


def nearest_first(steps: Sequence[Step], among: Sequence[Step], before: Sequence[Step] = ()) -> list[Step]:
    """The steps: those before some step, else before the one with most steps before it, and then the others."""
    if not steps:
        return []
    last = before[0] if before else max(reversed(steps), key=lambda step: len(lineage(step, among)))
    near = lineage(last, among)
    own = sorted((step for step in steps if step.name in near), key=lambda step: near.index(step.name))
    return [*own, *(step for step in reversed(steps) if step.name not in near)]


def kinds(step: Step, of_frames: bool) -> Iterator[tuple[str, Kind]]:
    """The columns of a step that a row can show, each with what it is."""
    for name, dtype in step.plan.gives.items():
        if name in (*step.plan.keys, *MARKS, *(FRAME_FACTS if of_frames else ())):
            continue
        if re.fullmatch(r"(List\()?(U?Int\d+|Float(32|64))\)?", dtype) and not dtype.startswith("List(Int"):
            yield name, "number"
        elif of_frames:
            continue
        elif dtype == "Boolean":
            yield name, "flag"
        elif dtype in ("String", "List(String)", "Date"):
            yield name, "text"


def as_kind(name: str, dtype: str) -> pl.Expr:
    """The value of a column as one number or text: the mean of a list, texts with commas."""
    value = pl.col(name)
    if dtype.startswith("List(") and dtype != "List(String)":
        value = value.list.mean()
    if re.search(r"Int|Float", dtype):
        value = value.cast(pl.Float64)
        return pl.when(value.is_finite()).then(value).alias(name)
    return (
        value.list.drop_nulls().list.join(", ")
        if dtype == "List(String)"
        else value.cast(pl.String, strict=False)
        if dtype == "Date"
        else value
    )
