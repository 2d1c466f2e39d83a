"""A report of the run on one page: rows per step, losses by reason, score histograms, thumbnails, cost.

Reads every step before it that is finished, and names the others; writes `report.html` (one self-contained file without
scripts) into its own folder, and a row per step.

    python -m stages.report run=NAME
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import polars as pl
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from slurm.record.manifest import Step
from stages.core.command_line.start import main
from stages.core.runner.stage import Stage
from stages.core.schema.types import INT, REAL, TEXT, Schema

STEPS: Schema = {
    "step": TEXT,
    "rows_in": INT,  # null for a source, which has no input
    "rows_out": INT,
    "rows_kept": INT,
    "rows_failed": INT,
    "hours": REAL,  # of the kept rows; null if the length of any is unknown
    "cpu_hours": REAL,
}


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Config:
    """Maximum number of key frames, and number of histogram bins; values are in conf/stage/report.yaml."""

    thumbnails: Annotated[int, Field(ge=0)]
    bins: Annotated[int, Field(gt=0)]


def run(steps: Mapping[str, Step], config: Config, folder: Path) -> dict[str, pl.DataFrame]:
    from stages.core.report.balanced import read_balanced
    from stages.core.report.categories import count_categories, count_untrained
    from stages.core.report.costs import read_cost
    from stages.core.report.funnel import read_flow
    from stages.core.report.histograms import make_histograms
    from stages.core.report.media import describe_media
    from stages.core.report.page import write
    from stages.core.report.texts import read_texts
    from stages.core.report.thumbnails import choose_thumbnails

    others = [step for step in steps.values() if step.plan.stage != STAGE.name]
    ordered = [step for step in others if step.complete()]
    unfinished = {step.name: (len(step.all_done()), step.plan.n) for step in others if step not in ordered}
    flows, costs = [read_flow(step) for step in ordered], [read_cost(step) for step in ordered]
    shown = [histogram for step in ordered for histogram in make_histograms(step, config.bins)]
    categorized = [counts for step in ordered if (counts := count_categories(step))]
    balanced = [found for step in ordered if (found := read_balanced(step))]
    texts = [alarms for step in ordered if (alarms := read_texts(step))]
    media = [videos for step in ordered if (videos := describe_media(step))]
    untrained = {step.name: number for step in ordered if (number := count_untrained(step))}
    write(
        folder / "report.html",
        flows=flows,
        costs=costs,
        histograms=shown,
        thumbnails=choose_thumbnails(ordered, config.thumbnails),
        media=media,
        categorized=categorized,
        balanced=balanced,
        texts=texts,
        untrained=untrained,
        unfinished=unfinished,
    )
    rows = [
        {
            "step": flow.step.name,
            "rows_in": flow.rows_in,
            "rows_out": flow.rows_out,
            "rows_kept": flow.kept.rows,
            "rows_failed": flow.items_failed,
            "hours": None if flow.kept.unknown else flow.kept.seconds / 3600,
            "cpu_hours": cost.cpu_s / 3600,
        }
        for flow, cost in zip(flows, costs, strict=True)
    ]
    return {"rows": pl.DataFrame(rows, schema=STEPS)}


STAGE = Stage(
    name="report", kind="reduce", config=Config, run=run, gives=STEPS, shows="report.html", without_unfinished=True
)

if __name__ == "__main__":
    main(STAGE)
