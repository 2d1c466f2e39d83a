"""What describes frames, as a config names it, loaded."""

from collections.abc import Mapping, Sequence

from stages.core.frames.describe.answers import read_regions, read_texts, share_covered
from stages.core.frames.describe.florence import Answers, FlorenceNet
from stages.core.frames.describe.ocr import OcrNet
from stages.core.frames.describe.settings import Settings
from stages.core.frames.net import Scorer
from stages.core.models.device import Device
from stages.core.schema.types import Row

Columns = Mapping[str, Sequence[object]]


def load_describers(settings: Settings, device: Device, threads: int) -> dict[str, Scorer]:
    """Raises UnloadableError, InputError."""
    found: dict[str, Scorer] = {}
    tasks = [task for task in settings.tasks if task != "ocr_with_region" or settings.ocr == "florence"]
    if tasks:
        net = FlorenceNet(settings.florence, tasks, device)
        found["florence"] = Scorer(net, columns_of, net.name)
    if len(tasks) < len(settings.tasks):
        ocr = OcrNet(threads, settings.least_confidence)
        found["ocr"] = Scorer(ocr, texts_of, ocr.name)
    return found


def columns_of(answers: Sequence[Answers]) -> Columns:
    """The columns of FRAME_TEXTS and BY_TASK that answers fill."""
    rows = [_row(one) for one in answers]
    return {name: [row[name] for row in rows] for name in rows[0]}


def _row(given: Answers) -> Row:
    width_px, height_px = given.width_px, given.height_px
    cut_short = [task for task, answer in given.tasks.items() if answer.cut_short]
    row: Row = {"width_px": width_px, "height_px": height_px, "cut_short": cut_short}
    for task, answer in given.tasks.items():
        if task == "dense_region_caption":
            row["regions"] = read_regions(answer, width_px, height_px)
        elif task == "ocr_with_region":
            row |= _texts(read_texts(answer, width_px, height_px), width_px, height_px)
        else:
            row[task] = answer.text
    return row


def texts_of(found: Sequence[tuple[list[Row], int, int]]) -> Columns:
    """The columns of FRAME_TEXTS and BY_TASK that OCR fills."""
    rows = [
        {"width_px": width_px, "height_px": height_px, **_texts(texts, width_px, height_px)}
        for texts, width_px, height_px in found
    ]
    return {name: [row[name] for row in rows] for name in rows[0]}


def _texts(texts: list[Row], width_px: int, height_px: int) -> Row:
    shapes: list[list[int]] = [text["corners"] for text in texts]  # type: ignore[misc]
    return {"texts": texts, "text_area": share_covered(shapes, width_px, height_px)}
