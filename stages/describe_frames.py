"""Describes frames: captions, regions with labels, texts and where they are, kinds of shot; each is decoded once.

Reads frames as score_frames does, and writes a row a frame (FRAME_TEXTS, BY_TASK). Florence-2 answers all tasks of a
step, its vision tower looks at each frame once; a model tuned for other tasks is a second step. OCR can be rapidocr's,
on CPUs.

    python -m stages.describe_frames run=NAME 'tasks=[caption,detailed_caption]' cluster.gpus=1
    python -m stages.describe_frames run=NAME step=texts 'tasks=[ocr_with_region]' ocr=rapidocr
"""

from collections.abc import Iterator
from importlib.util import find_spec

from slurm.errors import InputError
from slurm.task.attempt import Output
from stages.core.command_line.start import main
from stages.core.frames.by_frame import check_frames, columns_read, look_at_frames, tables_read
from stages.core.frames.describe.settings import Settings
from stages.core.models.needed import Needed
from stages.core.runner.stage import Stage
from stages.core.runner.work import Rows
from stages.core.schema.frame import BY_TASK, FRAME_TEXTS
from stages.core.schema.types import Schema

RAPIDOCR = "make models, or pip install --no-deps -r scripts/models.txt"


def run(rows: Rows, settings: Settings) -> Iterator[Output]:
    from stages.core.frames.describe.describers import load_describers

    yield from look_at_frames(rows, settings.frames, load_describers, settings)


def gives(settings: Settings) -> Schema:
    """The columns of the tasks that are asked."""
    return FRAME_TEXTS | {name: kind for task in settings.tasks for name, kind in BY_TASK[task].items()}


def models(settings: Settings) -> list[Needed]:
    """Florence-2, unless rapidocr answers all that is asked."""
    asked = set(settings.tasks) - ({"ocr_with_region"} if settings.ocr == "rapidocr" else set())
    own = settings.florence
    return [Needed("florence.model=", own.model, own.revision)] if asked else []


def check(settings: Settings) -> None:
    """Raises InputError for what can be told before submission, without a model."""
    if not settings.tasks:
        raise InputError("tasks=[] is empty: name some of caption, detailed_caption, dense_region_caption, …")
    if len(set(settings.tasks)) < len(settings.tasks):
        raise InputError(f"tasks=[{','.join(settings.tasks)}]: one is named twice")
    check_frames(settings.frames, settings.batch)
    for name in ("beams", "max_tokens"):
        if (value := getattr(settings.florence, name)) < 1:
            raise InputError(f"florence.{name}={value} is below 1")
    if not 0 <= settings.least_confidence <= 1:
        raise InputError(f"least_confidence={settings.least_confidence} is not within 0 and 1")
    if settings.ocr == "rapidocr" and "ocr_with_region" not in settings.tasks:
        raise InputError("ocr=rapidocr answers the task ocr_with_region, which tasks does not name")
    if settings.ocr == "rapidocr" and find_spec("rapidocr") is None:
        raise InputError(f"ocr=rapidocr needs packages that are not installed: {RAPIDOCR}")


STAGE = Stage(
    name="describe_frames",
    kind="map",
    config=Settings,
    run=run,
    gives=gives,
    needs=lambda settings: columns_read(settings.frames),
    takes=("start_s", "end_s", "shot"),
    reads=lambda settings: tables_read(settings.frames),
    key="frame_id",
    check=check,
    models=models,
    runtime_keys=("batch",),
    holds_model=True,
)

if __name__ == "__main__":
    main(STAGE)
