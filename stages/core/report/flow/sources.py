"""Which source each video is from: the lists, folders or datasets that the catalogue names."""

from collections.abc import Iterable
from typing import NamedTuple

import polars as pl

from slurm.credentials import redact
from slurm.record.manifest import Step
from stages.core.report.flow.lineage import hashed

MOST = 20  # sources that are told apart, those with most videos
UNKNOWN, OTHERS = "unknown", "others"


class Sources(NamedTuple):
    """`names`: of each source, by its number; `numbers`: `video` (the hash of its id) → `source`."""

    names: list[str]
    numbers: pl.DataFrame


NO_SOURCES = Sources([], pl.DataFrame(schema={"video": pl.UInt64(), "source": pl.UInt16()}))


def read_sources(steps: Iterable[Step]) -> Sources:
    """The sources of the run's videos, by the steps that read them."""
    catalogues = [step for step in steps if not step.plan.inputs and {"video_id", "source"} <= step.plan.gives.keys()]
    tables = [rows.select("video_id", "source") for step in catalogues if (rows := step.scan()) is not None]
    if not tables:
        return NO_SOURCES
    videos = pl.concat(tables)
    counts = videos.group_by("source").len().collect(engine="streaming")
    ordered = counts.sort("len", "source", descending=[True, False])["source"].to_list()
    known = ordered if len(ordered) <= MOST else ordered[: MOST - 1]
    number = pl.col("source").replace_strict(known, list(range(len(known))), default=len(known), return_dtype=pl.UInt16)
    numbers = videos.select(video=hashed("video_id"), source=number).drop_nulls("video").unique("video", keep="first")
    names = [UNKNOWN if name is None else redact(name) for name in known]
    if len(known) < len(ordered):
        names.append(f"{len(ordered) - len(known):,} {OTHERS}")
    return Sources(names, numbers.collect(engine="streaming"))
