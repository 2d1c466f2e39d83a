"""Classifies each video into one category of a taxonomy: by sentence embeddings, a language model, or both.

Reads a video's title, channel, description and transcript (not its tags or its site's categories, which mislead).
Writes CATEGORY. If the model's answer is not a category, the row fails.

    python -m stages.categorize run=NAME
    python -m stages.categorize run=NAME method=generate engine=tgi cluster=slurm pool.replicas=4 pool.gpus=1
"""

from collections.abc import Iterator, Mapping
from functools import partial
from math import exp
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from slurm.errors import ItemError
from slurm.pool.config import Engine, Pool
from slurm.task.attempt import Output
from stages.core.command_line.start import main
from stages.core.models.needed import Needed
from stages.core.runner.stage import Stage
from stages.core.runner.work import Rows
from stages.core.schema.types import INT, REAL, TEXT, TEXTS, Row, Schema
from stages.core.text.alarms.settings import Alarms
from stages.core.text.alarms.watch import watch

if TYPE_CHECKING:
    from slurm.pool.wire import Reply
    from stages.core.text.client import Answer, Question
    from stages.core.text.nearest import NearestLabels
    from stages.core.text.prompts import Prompts
    from stages.core.text.taxonomy import Taxonomy

CATEGORY: Schema = {
    "category": TEXT,
    "category_parent": TEXT,
    "category_path": TEXTS,
    "confidence": REAL,  # 0 to 1: the probability of a model's answer; for embeddings see nearest.py
    "category_by": TEXT,  # embedding or generate
    "nearest": TEXTS,  # by embedding, nearest first; null if nothing was embedded
    "nearest_margin": REAL,  # cosine of the first minus that of the second
    "category_raw": TEXT,  # the model's answer
    "category_model": TEXT,
    "category_revision": TEXT,
    "taxonomy": TEXT,  # hash of the categories
    "prompt": TEXT,  # hash of the template
    "tokens_in": INT,  # of all tries
    "tokens_out": INT,
    "tries": INT,
    "latency_s": REAL,
    "replica": TEXT,
}
WORDS = ("title", "channel", "description", "transcript")
MORE_TOKENS = 8  # beyond the bytes of the longest label, as a reserve


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Embedding:
    model: str
    revision: str | None
    fallback: Literal["untrained"] | None


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Config:
    """Values are in conf/stage/categorize.yaml."""

    method: Literal["embedding", "generate", "cascade"]
    categories: str  # the taxonomy
    template: str  # of the prompt
    levels: Literal[1, 2]
    top_k: int
    margin: float
    description_tokens: int
    transcript_tokens: int
    embedding: Embedding
    alarms: Alarms
    pool: Pool
    engine: Engine


def needs_pool(config: Config) -> bool:
    """Whether the method needs model servers."""
    return config.method != "embedding"


def models(config: Config) -> list[Needed]:
    by, instead = config.embedding, "say embedding.fallback=untrained"
    needed = Needed("embedding.model=", by.model, by.revision, instead=instead, stand_in=by.fallback is not None)
    return [needed] if config.method != "generate" else []


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
    sure = {
        key: result for key, result in near.items() if config.method == "embedding" or result.margin >= config.margin
    }
    for key, result in sure.items():
        yield make_output(
            rows,
            items[key],
            {**category(taxonomy, result.labels[0]), **by_embedding(result), **nearest_columns(result)},
        )
    unsure = {key: row for key, row in items.items() if key not in sure}
    if needs_pool(config) and unsure:
        yield from ask_model(rows, unsure, near, taxonomy, config)


def ask_model(
    rows: Rows, items: Mapping[str, Row], near: "Mapping[str, NearestLabels]", taxonomy: "Taxonomy", config: Config
) -> Iterator[Output]:
    """The rows of the items, categorized by a model; failed if its answer is not a category."""
    from stages.core.text.ask import ask
    from stages.core.text.prompts import Prompts

    prompts = Prompts(Path(config.template))
    below = dict.fromkeys(items, taxonomy)
    if config.levels == 2:
        topics = dict.fromkeys(items, taxonomy.topics)
        for answer in ask(rows, questions(items, topics, prompts), "topics_"):
            if answer.error:
                del below[answer.key]
                yield rows.failed(items[answer.key], answer.error)
            else:
                below[answer.key] = taxonomy.below(answer.value)
    for answer in ask(rows, questions({key: items[key] for key in below}, below, prompts)):
        row = items[answer.key]
        if answer.error:
            yield rows.failed(row, answer.error)
        else:
            leaf = category(below[answer.key], answer.value) | {"taxonomy": taxonomy.hash}
            yield make_output(
                rows, row, {**leaf, **by_model(answer, prompts.hash), **nearest_columns(near.get(answer.key))}
            )


def questions(items: Mapping[str, Row], below: "Mapping[str, Taxonomy]", prompts: "Prompts") -> "Iterator[Question]":
    """A question per item; its answer is bound to the labels of its taxonomy (if the server supports grammars)."""
    from slurm.pool.wire import Prompt
    from stages.core.text.client import Question

    system_messages: dict[str, str] = {}
    for key, row in items.items():
        taxonomy = below[key]
        if taxonomy.hash not in system_messages:
            system_messages[taxonomy.hash] = prompts.system_message({"labels": taxonomy.labels})
        longest = max(len(label.encode()) for label in taxonomy.labels)
        messages = [("system", system_messages[taxonomy.hash]), ("user", prompts.user_message(row))]
        prompt = Prompt(messages, longest + MORE_TOKENS, choices=list(taxonomy.labels))
        yield Question(key, prompt, partial(read_label, taxonomy=taxonomy))


def read_label(reply: "Reply", taxonomy: "Taxonomy") -> str:
    """The category that is the answer. Raises RejectedError if it is none."""
    from stages.core.text.verdict import RejectedError, whole

    label = whole(reply)
    if label not in taxonomy.labels:
        raise RejectedError("off_taxonomy", "it is none of the categories")
    return label


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
        "tokens_in": answer.tokens_in,
        "tokens_out": answer.tokens_out,
        "tries": answer.tries,
        "latency_s": answer.latency_s,
        "replica": answer.replica,
    }


def nearest_columns(near: "NearestLabels | None") -> Row:
    """The columns of the embeddings' result, whichever method decided."""
    return {} if near is None else {"nearest": list(near.labels), "nearest_margin": near.margin}


def make_output(rows: Rows, row: Row, columns: Row) -> Output:
    keys = {name: row[name] for name in rows.keys}
    return Output([str(row["video_id"])], {"rows": [{**keys, **columns}]})


def check(config: Config) -> None:
    """Raises InputError for a taxonomy or a prompt that cannot be read."""
    from stages.core.text.prompts import Prompts
    from stages.core.text.taxonomy import read_taxonomy

    read_taxonomy(Path(config.categories))
    Prompts(Path(config.template)).check_names(("labels", "video_id", *WORDS))


STAGE = Stage(
    name="categorize",
    kind="map",
    config=Config,
    run=run,
    gives=CATEGORY,
    needs=WORDS,
    check=check,
    files=lambda config: (config.categories, config.template),
    models=models,
    pool=needs_pool,
    watch=watch,
)

if __name__ == "__main__":
    main(STAGE)
