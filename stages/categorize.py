"""What each video is about: one category of a taxonomy, by sentence embeddings, by a language model, or by both.

Reads what is known of a video in words (title, channel, description, transcript; not its tags or its site's categories,
which mislead); writes CATEGORY. An answer that is none of the categories is an error of the row, not a category.

    python -m stages.categorize run=NAME
    python -m stages.categorize run=NAME method=generate engine=tgi cluster=slurm pool.replicas=4 pool.gpus=1
"""

from collections.abc import Iterator, Mapping
from math import exp
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from slurm.errors import ItemError
from slurm.pool.config import Engine, Pool
from slurm.task.attempt import Output
from stages.core.runner.stage import Stage, main
from stages.core.runner.work import Rows
from stages.core.schema.types import INT, REAL, TEXT, TEXTS, Row, Schema

if TYPE_CHECKING:
    from stages.core.text.client import Answer
    from stages.core.text.nearest import NearestLabels
    from stages.core.text.prompts import Prompts
    from stages.core.text.taxonomy import Taxonomy

CATEGORY: Schema = {
    "category": TEXT,
    "category_parent": TEXT,
    "category_path": TEXTS,
    "confidence": REAL,  # 0 to 1: of a model's answer its probability; of embeddings see nearest.py
    "category_by": TEXT,  # embedding or generate
    "nearest": TEXTS,  # by embedding, the nearest first; null where nothing was embedded
    "nearest_margin": REAL,  # how much nearer the first is than the second, cosines
    "category_raw": TEXT,  # what the model said
    "category_model": TEXT,
    "category_revision": TEXT,
    "taxonomy": TEXT,  # hashes of what was read
    "prompt": TEXT,
    "tokens_in": INT,
    "tokens_out": INT,
    "latency_s": REAL,
    "replica": TEXT,
}
WORDS = ("title", "channel", "description", "transcript")
MORE_TOKENS = 8  # than the longest label has: a model may write it in smaller pieces


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Embedding:
    model: str
    revision: str | None
    fallback: Literal["untrained"] | None


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Config:
    """Values are in conf/categorize.yaml."""

    method: Literal["embedding", "generate", "cascade"]
    categories: str  # the taxonomy
    template: str  # of the prompt
    levels: Literal[1, 2]
    top_k: int
    margin: float
    description_tokens: int
    transcript_tokens: int
    embedding: Embedding
    pool: Pool
    engine: Engine


def asks(config: Config) -> bool:
    """Whether it needs model servers."""
    return config.method != "embedding"


def run(rows: Rows, config: Config) -> Iterator[Output]:
    from stages.core.text.nearest import NearestLabels, find_nearest
    from stages.core.text.prompts import truncate_words
    from stages.core.text.taxonomy import read_taxonomy

    taxonomy = read_taxonomy(Path(config.categories))
    items: dict[str, Row] = {}
    for row in rows.table.to_dicts():
        row["description"] = truncate_words(row["description"], config.description_tokens)
        row["transcript"] = truncate_words(row["transcript"], config.transcript_tokens)
        if any(row[name] for name in ("title", "description", "transcript")):
            items[str(row["video_id"])] = row
        else:
            yield rows.failed(row, ItemError("no_words", "neither title nor description nor transcript"))
    near: Mapping[str, NearestLabels] = {}
    if config.method != "generate" and items:
        by = config.embedding
        untrained = by.fallback == "untrained"
        near = find_nearest(items, taxonomy, by.model, by.revision, untrained=untrained, top_k=config.top_k)
    sure = {key: found for key, found in near.items() if config.method == "embedding" or found.margin >= config.margin}
    for key, found in sure.items():
        yield one(rows, items[key], {**category(taxonomy, found.labels[0]), **by_embedding(found), **also(found)})
    unsure = {key: row for key, row in items.items() if key not in sure}
    if asks(config) and unsure:
        yield from generated(rows, unsure, near, taxonomy, config)


def generated(
    rows: Rows, items: Mapping[str, Row], near: "Mapping[str, NearestLabels]", taxonomy: "Taxonomy", config: Config
) -> Iterator[Output]:
    """What a model says of the items; of those whose answer is no category, an error."""
    from stages.core.text.prompts import Prompts

    prompts = Prompts(Path(config.template))
    below = dict.fromkeys(items, taxonomy)
    if config.levels == 2:
        for answer in ask(rows, items, dict.fromkeys(items, taxonomy.topics), prompts, "topics_"):
            if error := wrong(answer, taxonomy.topics):
                del below[answer.key]
                yield rows.failed(items[answer.key], error)
            else:
                below[answer.key] = taxonomy.below(label_of(answer))
    for answer in ask(rows, {key: items[key] for key in below}, below, prompts):
        row = items[answer.key]
        if error := wrong(answer, below[answer.key]):
            yield rows.failed(row, error)
        else:
            leaf = category(below[answer.key], label_of(answer)) | {"taxonomy": taxonomy.hash}
            yield one(rows, row, {**leaf, **by_model(answer, prompts.hash), **also(near.get(answer.key))})


def ask(
    rows: Rows, items: Mapping[str, Row], below: "Mapping[str, Taxonomy]", prompts: "Prompts", notes: str = ""
) -> "Iterator[Answer]":
    """An answer for each item: one of the labels of its taxonomy, as far as the server keeps to the grammar.

    `notes` is what the names of its figures in the done record begin with.
    """
    from slurm.pool.wire import Prompt
    from stages.core.text.client import Question, ask_all

    told: dict[str, str] = {}

    def asked() -> Iterator[Question]:
        for key, row in items.items():
            labels = below[key].labels
            system = told.setdefault(below[key].hash, "") or prompts.system_message({"labels": labels})
            told[below[key].hash] = system
            longest = max(len(label.encode()) for label in labels)
            messages = [("system", system), ("user", prompts.user_message(row))]
            yield Question(key, Prompt(messages, longest + MORE_TOKENS, choices=list(labels)))

    def note(**figures: float) -> None:
        rows.note(**{notes + name: figure for name, figure in figures.items()})

    yield from ask_all(asked(), rows.pool, stopping=lambda: rows.stopping, leaving=lambda: rows.leaving, note=note)


def label_of(answer: "Answer") -> str:
    return answer.reply.text.strip() if answer.reply else ""


def wrong(answer: "Answer", taxonomy: "Taxonomy") -> ItemError | None:
    """Why the answer is no category of these; None if it is one."""
    if answer.error or label_of(answer) in taxonomy.labels:
        return answer.error
    return ItemError("off_taxonomy", label_of(answer)[:200])


def category(taxonomy: "Taxonomy", label: str) -> Row:
    leaf = taxonomy.labels[label]
    return {
        "category": label,
        "category_parent": leaf.parent,
        "category_path": list(leaf.path),
        "taxonomy": taxonomy.hash,
    }


def by_embedding(near: "NearestLabels") -> Row:
    return {
        "confidence": near.confidence,
        "category_by": "embedding",
        "category_model": near.model,
        "category_revision": near.revision,
    }


def by_model(answer: "Answer", prompt: str) -> Row:
    reply = answer.reply
    assert reply is not None
    return {
        "confidence": None if reply.logprob is None else min(1.0, exp(reply.logprob)),
        "category_by": "generate",
        "category_raw": reply.text,
        "category_model": answer.model,
        "category_revision": answer.revision,
        "prompt": prompt,
        "tokens_in": reply.tokens_in,
        "tokens_out": reply.tokens_out,
        "latency_s": answer.latency_s,
        "replica": answer.replica,
    }


def also(near: "NearestLabels | None") -> Row:
    """What embedding says, whoever decided."""
    return {} if near is None else {"nearest": list(near.labels), "nearest_margin": near.margin}


def one(rows: Rows, row: Row, found: Row) -> Output:
    own = {name: row[name] for name in rows.keys}
    return Output([str(row["video_id"])], {"rows": [{**own, **found}]})


def check(config: Config) -> None:
    """Raises InputError for a taxonomy or a prompt that cannot be read."""
    from stages.core.text.prompts import Prompts
    from stages.core.text.taxonomy import read_taxonomy

    read_taxonomy(Path(config.categories))
    Prompts(Path(config.template))


STAGE = Stage(
    name="categorize",
    kind="map",
    config=Config,
    run=run,
    gives=CATEGORY,
    needs=WORDS,
    check=check,
    files=lambda config: (config.categories, config.template),
    pool=asks,
)

if __name__ == "__main__":
    main(STAGE)
