"""Says how well captions fit their frames: the cosine of a text and the embeddings that `score_frames` made of frames.

Reads a column of texts and `embedding` (score_frames with scorers=[embed]); writes MATCH. The texts are embedded by the
text tower of the model whose vision tower saw the frames. It reads 64 tokens (SigLIP; CLIP 77): a longer text is
embedded in pieces of whole sentences, and their mean counts.

    python -m stages.score_frames run=NAME 'scorers=[embed]'
    python -m stages.match_captions run=NAME
    python -m stages.filter run=NAME step=fitting after=match_captions 'rules={caption_match: {min: 0.05}}'
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal, cast

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from slurm.errors import InputError, ItemError
from slurm.task.attempt import Output
from stages.core.command_line.start import main
from stages.core.frames.settings import Model
from stages.core.models.needed import Needed
from stages.core.runner.stage import Stage
from stages.core.runner.work import Rows
from stages.core.schema.text import MATCH
from stages.core.schema.types import Row
from stages.core.storage.spill import Tables

JOB_TEXTS = 256  # that a worker gets at once
SCORER = "embed "  # what the name of the frames' model begins with, in `models`


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Config:
    """Values are in conf/stage/match_captions.yaml."""

    column: str  # the text
    embed: Model
    batch: Annotated[int, Field(ge=1)]
    dtype: Literal["auto", "float32", "bfloat16", "float16"]


def run(rows: Rows, config: Config) -> Iterator[Output]:
    items = []
    for row in rows.table.to_dicts():
        if not str(row[config.column] or "").strip():
            yield rows.failed(row, ItemError("no_words", f"{config.column} is empty"))
        elif not any(row["embedding"] or ()):
            yield rows.failed(row, ItemError("no_frames", "no frame of it was embedded"))
        else:
            items.append(row)
    jobs: list[Row] = [
        {"name": f"texts from {at}", "at": at, "texts": [str(row[config.column]) for row in items[at : at + JOB_TEXTS]]}
        for at in range(0, len(items), JOB_TEXTS)
    ]
    for job, tables, error, detail in rows.give_whole(
        embed_texts, jobs, config, rows.cores, rows.gpus, split=split_job
    ):
        at, texts = cast(int, job["at"]), cast(Sequence[str], job["texts"])
        own = items[at : at + len(texts)]
        if error is not None:
            yield from (rows.failed(row, ItemError(error, detail or "")) for row in own)
            continue
        for row, found in zip(own, cast(Sequence[Row], tables["texts"]), strict=True):
            keys = {name: row[name] for name in rows.keys}
            yield Output([str(row[rows.keys[0]])], {"rows": [{**keys, **match(row, found)}]})


def embed_texts(job: Row, config: Config, cores: int, gpus: int) -> Tables:
    """Of each text of a job its `vector` (bytes, float32), `pieces`, and the `model`."""
    from stages.core.frames.text_encoder import load_encoder

    encoder = load_encoder(config.embed, config.dtype, cores, gpus)
    found = encoder.embed(cast(list[str], job["texts"]), config.batch)
    return {
        "texts": [{"vector": vector.tobytes(), "pieces": pieces, "model": encoder.name} for vector, pieces in found]
    }


def match(row: Mapping[str, Any], found: Row) -> Row:
    """The columns of a row, by what was found of its text. Raises InputError for frames that another model saw."""
    import numpy as np

    seen = {name for own in row["models"] or () for name in own or () if name.startswith(SCORER)}
    if other := sorted(seen - {f"{SCORER}{found['model']}"}):
        raise InputError(
            f"embed.model: the frames were embedded by {other[0].removeprefix(SCORER)}, and the texts by "
            f"{found['model']}, whose vectors cannot be compared: say the same embed.model and embed.revision as there"
        )
    vector = np.frombuffer(cast(bytes, found["vector"]), np.float32)
    frames = np.asarray([one for one in row["embedding"] if one], np.float32)
    return {
        "caption_match": float((frames @ vector).mean()),
        "match_frames": len(frames),
        "match_pieces": found["pieces"],
        "match_model": found["model"],
    }


def split_job(job: Row) -> Iterator[Row]:
    """A job for each of its texts."""
    for number, text in enumerate(cast(Sequence[str], job["texts"])):
        at = cast(int, job["at"]) + number
        yield {"name": f"text {at}", "at": at, "texts": [text]}


def fits(config: Config, types: Mapping[str, str]) -> None:
    from stages.core.text.caption.rewording import check_text

    check_text(config.column, types)


STAGE = Stage(
    name="match_captions",
    kind="map",
    config=Config,
    run=run,
    gives=MATCH,
    needs=lambda config: {config.column: "column", "embedding": "after", "models": "after"},
    fits=fits,
    missing={
        "raw_caption": "let caption come before it, or name another text: column=NAME",
        "embedding": "let score_frames with scorers=[embed] come before it: after=[caption,score_frames]",
    },
    models=lambda config: [Needed("embed.model=", config.embed.model, config.embed.revision)],
    runtime_keys=("batch",),
    holds_model=True,
)

if __name__ == "__main__":
    main(STAGE)
