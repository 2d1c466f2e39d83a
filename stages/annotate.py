"""Annotates whole videos in FineVideo's schema: a vision-language model tells what happens, and it becomes JSON.

method=describe asks for free text, method=structure makes the annotation of it (the recipe `annotated` has both, each
with a pool of its own); method=direct asks for the annotation at once. Reads analyze's pictures, shots and motion, and
timed subtitles where there are some; writes ANNOTATED, and TELLINGS: the answers as they came.

    python -m stages annotated run=NAME input.path=DIR steps.describe.engine=tgi steps.annotate.engine=tgi cluster=slurm
    python -m stages.annotate run=NAME method=direct
"""

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import polars as pl
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from slurm.errors import InputError, ItemError
from slurm.pool.config import Engine, Pool
from slurm.record.paths import ROWS
from slurm.task.attempt import Output
from stages.core.command_line.start import main
from stages.core.frames.by_frame import check_frames, columns_read, tables_read
from stages.core.frames.settings import Frames
from stages.core.runner.stage import Stage
from stages.core.runner.work import Rows
from stages.core.schema.annotation import ANNOTATED, TELLINGS
from stages.core.schema.types import Row
from stages.core.text.alarms.settings import Alarms
from stages.core.text.alarms.watch import watch
from stages.core.text.prompts import Prompts

if TYPE_CHECKING:
    from stages.core.text.annotation.pictures import Picture, Pictures
    from stages.core.text.annotation.telling import Telling, Ways
    from stages.core.text.annotation.timeline import Timeline
    from stages.core.text.client import Answer

Count = Annotated[int, Field(ge=1)]
LINES = ("subtitles.start_s", "subtitles.end_s", "subtitles.text", "subtitles.language")
SIGNALS = ("signals.second", "signals.motion")
JPEG_BYTES = 0.25  # of a pixel of a picture, about
PICTURES_SHARE = 0.9  # of the bytes of a request; the rest is left to words
LEAST_PX = 16
TELLING = "tellings"
TWO_STEP = """\
method=two_step is two steps, each with a pool of its own; python -m stages annotated run=NAME … does both. One by one:
python -m stages.annotate run=NAME step=describe method=describe
python -m stages.annotate run=NAME after=describe method=structure pool=text"""


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Templates:
    """Of the prompts: about a part of a video by each method, and about a whole one of several parts."""

    describe: str
    structure: str
    direct: str
    overview: str


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Config:
    """Values are in conf/stage/annotate.yaml."""

    method: Literal["describe", "structure", "direct", "two_step"]
    language: str | None
    part_s: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    frames: Frames
    shots: Count
    transcript_tokens: Annotated[int, Field(ge=0)]
    max_tokens: Count
    templates: Templates
    refusals: str
    pool: Pool
    engine: Engine
    alarms: Alarms


def sees(config: Config) -> bool:
    """Whether the model is shown pictures."""
    return config.method != "structure"


def run(rows: Rows, config: Config) -> Iterator[Output]:
    from stages.core.text.ask import ask

    if rows.keys != ["video_id"]:
        raise InputError(f"annotate tells of whole videos, not of each {rows.keys[0]}: say after=analyze")
    tellings: dict[str, Telling] = {}
    for row, telling in begin(rows, config):
        if isinstance(telling, ItemError):
            yield rows.failed(row, telling)
        elif telling.finished:
            yield give(rows, telling, config)
        else:
            tellings[telling.key] = telling
    asked = (question for telling in tellings.values() if (question := telling.question()))
    for answer in ask(rows, asked):
        yield from take(rows, tellings[answer.key], answer, config)


def take(rows: Rows, telling: "Telling", answer: "Answer", config: Config) -> Iterator[Output]:
    """The row of a video, if this answer is the last that it needs, or fails it."""
    told = telling.record(answer) if answer.reply is not None else None
    if answer.error is not None:
        where = f"part {len(telling.told)} of {len(telling.parts)}: " if len(telling.parts) > 1 else ""
        failed = rows.failed(dict(telling.row), ItemError(answer.error.code, f"{where}{answer.error.detail}"))
        yield failed._replace(tables={**failed.tables, TELLING: tellings_of(rows, telling)})
        return
    assert told is not None
    if len(telling.told) == telling.questions:
        yield give(rows, telling, config)
    else:
        rows.keep(telling.key, f"{len(telling.told):05d}", json.dumps(told).encode())


def begin(rows: Rows, config: Config) -> "Iterator[tuple[Row, Telling | ItemError]]":
    """Each video, ready to be told, with what was kept of it; or why it cannot be."""
    from stages.core.text.annotation.pictures import find_pictures
    from stages.core.text.annotation.telling import Telling, Told, Video
    from stages.core.video.sample.parts import Part

    ways = read_ways(config)
    items = {str(row["video_id"]): row for row in rows.table.to_dicts()}
    timelines = {key: timeline for key, row in items.items() if (timeline := timeline_of(row))}
    described = read_descriptions(rows) if config.method == "structure" else {}
    parts = {
        key: [(start_s, end_s) for start_s, end_s, _ in described.get(key, ())]
        if config.method == "structure"
        else timeline.parts(config.part_s)
        for key, timeline in timelines.items()
    }
    pictures = None
    if sees(config):
        own = [
            Part(number, n, len(parts[key]), *span)
            for number, key in enumerate(items)
            for n, span in enumerate(parts.get(key, ()))
        ]
        pictures = find_pictures(rows, [*items.values()], own, config.frames)
    for key, row in items.items():
        if key not in timelines:
            yield row, ItemError("no_frames", "neither its length nor its shots are known: annotate needs analyze")
        elif not parts[key]:
            yield row, ItemError("no_words", "there is no description of it")
        elif pictures is not None and (none := pictures.why_none(key)):
            yield row, none
        else:
            texts = [text for _, _, text in described.get(key, ())]
            shown = show(pictures, key, config.pool.payload_bytes)
            telling = Telling(Video(row, timelines[key], parts[key], texts), ways, shown)
            telling.resume(Told(*json.loads(content)) for content in rows.kept(key).values())
            yield row, telling


def read_ways(config: Config) -> "Ways":
    from stages.core.text.annotation.telling import OVERVIEW_VARIABLES, VARIABLES, Ways
    from stages.core.text.verdict import read_phrases

    prompts, overview = Prompts(Path(template_of(config))), Prompts(Path(config.templates.overview))
    prompts.check_names(VARIABLES)
    overview.check_names(OVERVIEW_VARIABLES)
    return Ways(
        config.method,
        prompts,
        overview,
        config.max_tokens,
        config.language,
        read_phrases(Path(config.refusals)),
        config.shots,
        config.transcript_tokens,
    )


def timeline_of(row: dict[str, Any]) -> "Timeline | None":
    """What is known of a video by time; None where analyze does not know it."""
    from stages.core.text.annotation.timeline import make_timeline

    duration_s, begins_s = row["duration_s"], row["shots.start_s"]
    if not duration_s or not row["fps"] or not begins_s:
        return None
    row["spoken"] = next(iter(row.get("subtitles.language") or ()), row.get("language"))
    return make_timeline(
        duration_s,
        begins_s,
        [row.get(name) or () for name in LINES[:3]],
        [row.get(name) or () for name in SIGNALS],
        row.get("offset_s") or 0.0,
    )


def read_descriptions(rows: Rows) -> dict[str, list[tuple[float, float, str]]]:
    """Of each video the span and the description of its parts."""
    found: dict[str, list[tuple[float, float, str]]] = {}
    for row in rows.side(TELLING).filter(pl.col("error").is_null()).sort("part", maintain_order=True).to_dicts():
        found.setdefault(row["video_id"], []).append((row["start_s"], row["end_s"], row["text"]))
    return found


def show(pictures: "Pictures | None", key: str, payload_bytes: int) -> "Callable[[int], Sequence[Picture]]":
    """What gives the pictures of a part of a video, as many as go into a request."""
    most_bytes = int(payload_bytes * PICTURES_SHARE)
    return lambda part: () if pictures is None else pictures.of(key, part, most_bytes)


def give(rows: Rows, telling: "Telling", config: Config) -> Output:
    """The row of a video that is told."""
    from stages.core.text.annotation.telling import usage

    metadata = telling.metadata
    said = {"description": telling.told[0].text} if metadata is None else metadata  # of a description its first part
    own = {name: telling.row[name] for name in rows.keys}
    columns = {
        "content_metadata": metadata and json.dumps({**metadata, "fps": telling.fps}, ensure_ascii=False),
        "annotation_title": said.get("title"),
        "annotation_description": said.get("description"),
        "annotation_by": config.method,
        "parts": len(telling.parts),
        **usage(telling.told),
    }
    return Output([telling.key], {ROWS: [{**own, **columns}], TELLING: tellings_of(rows, telling)})


def tellings_of(rows: Rows, telling: "Telling") -> list[Row]:
    own = {name: telling.row[name] for name in rows.keys}
    return [{**own, **told._asdict()} for told in telling.told]


def template_of(config: Config) -> str:
    """The template about a part of a video. Raises InputError for a method that is two."""
    if config.method == "two_step":
        raise InputError(TWO_STEP)
    template: str = getattr(config.templates, config.method)
    return template


def check(config: Config) -> None:
    """Raises InputError for what can be told before submission."""
    from stages.core.models.hub import takes_images
    from stages.core.text.verdict import check_language

    read_ways(config)
    check_language(config.language)
    if not sees(config):
        return
    check_frames(config.frames, 1)
    if config.frames.most is None:
        raise InputError("frames.most=null: say how many pictures of a part a model is shown at most")
    if config.frames.side_px < LEAST_PX:
        raise InputError(f"frames.side_px={config.frames.side_px} is below {LEAST_PX}")
    if not config.pool.images:
        raise InputError(
            f"pool.images=false: the model {config.pool.model} takes no pictures, and method={config.method} "
            f"shows it some: say pool=vision (pool.model=…), or method=structure after a step that describes"
        )
    folder = Path(config.pool.model).expanduser()
    if config.engine.url is None and folder.is_dir() and not takes_images(folder):
        raise InputError(
            f"pool.model={config.pool.model} takes no pictures, by its config.json, and method={config.method} "
            f"shows it some: name a vision-language model"
        )
    size = config.frames.most * config.frames.side_px**2 * JPEG_BYTES * 4 / 3
    if size > config.pool.payload_bytes:
        raise InputError(
            f"frames.most={config.frames.most} pictures of frames.side_px={config.frames.side_px} are about "
            f"{size / 1e6:,.0f} MB a request, more than pool.payload_bytes={config.pool.payload_bytes}: say fewer or "
            f"smaller ones, or more bytes"
        )


STAGE = Stage(
    name="annotate",
    kind="map",
    config=Config,
    run=run,
    gives=ANNOTATED,
    needs=lambda config: (
        *("duration_s", "fps", "shots.start_s"),
        *(columns_read(config.frames) if sees(config) else ()),
    ),
    takes=("title", "channel", "language", "transcript", "offset_s", *LINES, *SIGNALS),
    reads=lambda config: tables_read(config.frames) if sees(config) else (TELLING,),
    missing={
        TELLING: "method=structure follows a step with method=describe: say after= that step",
        **dict.fromkeys(("duration_s", "fps", "shots.start_s"), "let analyze come before it: after=analyze"),
    },
    tables={TELLING: TELLINGS},
    check=check,
    files=lambda config: (template_of(config), config.templates.overview, config.refusals),
    pool=lambda config: True,
    watch=watch,
)

if __name__ == "__main__":
    main(STAGE)
