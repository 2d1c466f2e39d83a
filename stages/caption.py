"""Describes clips (or whole videos) in words, by a model that sees pictures of them.

Reads `path` and the times of clips where a step before gives them, or analyze's `key_frames`; a clip over `part_s` is
shown in parts of equal length. Writes CAPTION, a row a clip, and PARTS. With inspect=true the same request also asks
for visual defects and the kind of clip, columns by which `filter` can choose.

    python -m stages.caption run=NAME
    python -m stages.caption run=NAME engine=tgi cluster=slurm pool.replicas=4 pool.gpus=1 inspect=true
"""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple, cast

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from slurm.errors import InputError, ItemError
from slurm.pool.config import Engine, Pool
from slurm.task.attempt import Output
from stages.core.command_line.start import main
from stages.core.runner.stage import Stage
from stages.core.runner.work import Rows
from stages.core.schema.text import CAPTION, PARTS
from stages.core.schema.types import Row
from stages.core.text.alarms.settings import Alarms
from stages.core.text.alarms.watch import watch
from stages.core.video.sample.settings import KEPT, Frames, Limits

if TYPE_CHECKING:
    from stages.core.text.caption.form import Form
    from stages.core.text.client import Answer, Question
    from stages.core.text.prompts import Prompts
    from stages.core.video.sample.parts import Part

NAMES = ("details", "defects", "kinds", "json", "pictures", "grid", "seconds", "part", "parts", "facts")  # in prompts
BYTES_PER_PIXEL = 1.0  # of a JPEG at quality 85, at most: noise has 0.9, a clear picture 0.1 to 0.3
BASE64 = 4 / 3
WORDS_BYTES = 1 << 16  # of a request without its pictures


Words = Annotated[int, Field(ge=1)] | None


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Details:
    """What is described, and in how many words at most; None: not at all."""

    short: Words
    detailed: Words
    motion: Words
    camera: Words
    background: Words

    @property
    def asked(self) -> dict[str, int]:
        return {name: words for name, words in asdict(self).items() if words is not None}


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Config:
    """Values are in conf/stage/caption.yaml."""

    frames: Frames
    part_s: Annotated[float, Field(gt=0)]  # longest part of a clip that is shown at once
    details: Details
    inspect: bool
    facts: dict[str, str] | None  # what the prompt is told: name there → column
    facts_tokens: Annotated[int, Field(ge=1)]  # of each
    template: str
    defects: str
    kinds: str
    refusals: str
    language: str | None
    max_tokens: Annotated[int, Field(ge=1)]
    limits: Limits
    pool: Pool
    engine: Engine
    alarms: Alarms


def run(rows: Rows, config: Config) -> Iterator[Output]:
    from stages.core.text.ask import ask
    from stages.core.text.prompts import Prompts
    from stages.core.video.sample.shown import Shown

    items = rows.table.to_dicts()
    pictures = Shown(rows, items, config.frames, config.limits)
    parts, bad = pictures.split(config.part_s)
    asking = Asking(config, make_form(config), Prompts(Path(config.template)))
    for item, error in bad.items():
        yield rows.failed(items[item], error)
    lost: deque[tuple[int, ItemError]] = deque()  # items of which a part cannot be shown, as the thread finds them
    shown: dict[str, tuple[Part, list[float]]] = {}  # by the key of its question
    answered: dict[int, dict[int, Answer]] = {}
    failed = set(bad)

    def ask_for_parts() -> Iterator["Question"]:
        for part, taken in pictures.take(parts):
            try:
                if isinstance(taken, ItemError):
                    raise taken
                check_size(taken, config.pool.payload_bytes)
            except ItemError as error:
                lost.append((part.item, error))
                continue
            if part.item not in failed:
                key = f"{items[part.item][rows.keys[0]]} {part.number}"
                shown[key] = part, cast(list[float], taken["times_s"])
                yield asking.question(key, part, taken, items[part.item])

    def losses() -> Iterator[Output]:
        while lost:
            item, error = lost.popleft()
            if item not in failed:
                failed.add(item)
                answered.pop(item, None)
                yield rows.failed(items[item], error)

    for answer in ask(rows, ask_for_parts(), slow=True):
        yield from losses()
        part, _ = shown[answer.key]
        if part.item in failed:
            continue
        if answer.error:
            failed.add(part.item)
            answered.pop(part.item, None)
            yield rows.failed(items[part.item], answer.error)
            continue
        own = answered.setdefault(part.item, {})
        own[part.number] = answer
        if len(own) == part.of:
            del answered[part.item]
            in_order = [own[number] for number in range(part.of)]
            yield make_output(rows, items[part.item], [(*shown.pop(one.key), one) for one in in_order], asking)
    yield from losses()


def check_size(taken: Row, most: int) -> None:
    """Raises ItemError prompt_refused for pictures that are more than a server takes in one request."""
    size = sum(map(len, cast(Sequence[bytes], taken["jpegs"]))) * BASE64 + WORDS_BYTES
    if size > most:
        why = f"{size:,.0f} bytes in a request, and pool.payload_bytes={most}: less frames.side_px or frames.most"
        raise ItemError("prompt_refused", why)


class Asking(NamedTuple):
    """How a model is asked about parts of clips."""

    config: Config
    form: "Form"
    prompts: "Prompts"

    def question(self, key: str, part: "Part", taken: Row, row: Row) -> "Question":
        from slurm.pool.wire import Prompt
        from stages.core.text.caption.facts import describe_facts
        from stages.core.text.client import Question

        config, form = self.config, self.form
        named = config.facts or {}
        facts = describe_facts(row, named, config.facts_tokens)
        values = {
            **{name: facts.get(name, "") for name in named},
            "details": form.details,
            "defects": form.defects,
            "kinds": form.kinds,
            "json": form.json,
            "pictures": len(cast(list[float], taken["times_s"])),
            "grid": config.frames.grid,
            "seconds": part.end_s - part.start_s,
            "part": part.number + 1,
            "parts": part.of,
            "facts": facts,
        }
        messages = [("system", self.prompts.system_message(values)), ("user", self.prompts.user_message(values))]
        images = cast(Sequence[bytes], taken["jpegs"])
        return Question(key, Prompt(messages, config.max_tokens, images, schema=form.schema), form.read)


def make_output(rows: Rows, row: Row, answers: "Sequence[tuple[Part, list[float], Answer]]", asking: Asking) -> Output:
    from stages.core.text.caption.making import made_by

    own: Row = {name: row[name] for name in rows.keys}
    costs = ("tokens_in", "tokens_out", "tries", "latency_s", "replica")
    parts: list[Row] = [
        {
            **own,
            "part": part.number,
            "start_s": part.start_s,
            "end_s": part.end_s,
            "times_s": times_s,
            **answer.value,
            **{name: getattr(answer, name) for name in costs},
        }
        for part, times_s, answer in answers
    ]
    made = made_by("caption", [answer for *_, answer in answers], asking.prompts.hash)
    caption = {**own, **asking.form.join([answer.value for *_, answer in answers]), **made}
    return Output([str(row[rows.keys[0]])], {"rows": [caption], "caption_parts": parts})


def make_form(config: Config) -> "Form":
    from stages.core.text.caption.form import Form, Judged, read_defects, read_lines
    from stages.core.text.verdict import read_phrases

    judged = Judged(config.language, read_phrases(Path(config.refusals)))
    defects = read_defects(Path(config.defects)) if config.inspect else {}
    return Form(
        config.details.asked, defects, read_lines(Path(config.kinds), "kinds") if config.inspect else {}, judged
    )


def needs(config: Config) -> Mapping[str, str]:
    paths = {"path": "frames.source=even", "url": "frames.source=even"} if config.frames.source == "even" else {}
    return {**paths, **{column: f"facts.{name}" for name, column in (config.facts or {}).items()}}


def check(config: Config) -> None:
    """Raises InputError for what can be told before submission."""
    from stages.core.text.prompts import Prompts
    from stages.core.text.verdict import check_language

    if not config.details.asked:
        raise InputError("details: all are null; say what is to be described, details.detailed=120")
    make_form(config)
    check_language(config.language)
    prompts = Prompts(Path(config.template))
    prompts.check_names({*NAMES, *(config.facts or {})}, "a column gets a name there by facts={NAME: COLUMN}")
    if taken := [name for name in config.facts or {} if name in NAMES]:
        raise InputError(f"facts.{taken[0]}: prompts have something else of that name; take another")
    if not config.pool.images:
        raise InputError(
            f"pool.images=false: pool={config.pool.name} takes no pictures, of which captions are made; say "
            f"pool=vision, or pool.images=true if pool.model={config.pool.model} sees pictures"
        )
    frames = config.frames
    if frames.grid is not None and frames.grid[0] * frames.grid[1] < frames.most:
        raise InputError(f"frames.grid={list(frames.grid)} has no room for frames.most={frames.most} pictures")
    cells = frames.most if frames.grid is None else frames.grid[0] * frames.grid[1]
    size = cells * frames.side_px**2 * BYTES_PER_PIXEL * BASE64 + WORDS_BYTES
    if size > config.pool.payload_bytes:
        raise InputError(
            f"frames.most={frames.most} pictures of frames.side_px={frames.side_px} may take {size:,.0f} bytes in a "
            f"request, and pool.payload_bytes={config.pool.payload_bytes}: take fewer or smaller ones, or a larger "
            f"pool.payload_bytes, which servers that we start are told"
        )


STAGE = Stage(
    name="caption",
    kind="map",
    config=Config,
    run=run,
    gives=CAPTION,
    tables={"caption_parts": PARTS},
    needs=needs,
    takes=("start_s", "end_s"),
    reads=lambda config: (KEPT[config.frames.source],) if config.frames.source in KEPT else (),
    missing={
        "key_frames": "let analyze come before it, or say frames.source=even",
        "sync_frames": "let skim come before it, or say frames.source=even",
    },
    check=check,
    files=lambda config: (
        config.template,
        config.refusals,
        *((config.defects, config.kinds) if config.inspect else ()),
    ),
    pool=lambda config: True,
    watch=watch,
)

if __name__ == "__main__":
    main(STAGE)
