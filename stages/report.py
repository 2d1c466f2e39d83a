"""The run as one page: what went where, why rows were lost, how the scores lie, what was kept, what it cost.

Reads every step before it; writes `report.html` (one file, no script, nothing loaded from elsewhere) into its own
folder, and a row a step.

    python -m stages.report run=NAME
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import polars as pl
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from slurm.record.manifest import Step
from stages.core.runner.stage import Stage, main
from stages.core.schema.types import INT, REAL, TEXT, Schema

STEPS: Schema = {
    "step": TEXT,
    "rows_in": INT,  # null of a source, which reads nothing
    "rows_out": INT,
    "rows_kept": INT,
    "rows_failed": INT,
    "hours": REAL,  # of the kept rows; null if the length of one is not known
    "cpu_hours": REAL,
}


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Config:
    """Key frames shown at most, and bins of the histograms; values are in conf/stage/report.yaml."""

    thumbnails: Annotated[int, Field(ge=0)]
    bins: Annotated[int, Field(gt=0)]


def run(steps: Mapping[str, Step], config: Config, folder: Path) -> dict[str, pl.DataFrame]:
    from stages.core.report.categories import categories, untrained
    from stages.core.report.costs import cost
    from stages.core.report.funnel import flow
    from stages.core.report.histograms import histograms
    from stages.core.report.page import write
    from stages.core.report.thumbnails import thumbnails

    ordered = [step for step in steps.values() if step.plan.stage != STAGE.name]
    flows, costs = [flow(step) for step in ordered], [cost(step) for step in ordered]
    shown = [histogram for step in ordered for histogram in histograms(step, config.bins)]
    categorized = [found for step in ordered if (found := categories(step))]
    unknowing = {step.name: unknown for step in ordered if (unknown := untrained(step))}
    write(
        folder / "report.html",
        flows=flows,
        costs=costs,
        histograms=shown,
        thumbnails=thumbnails(ordered, config.thumbnails),
        categorized=categorized,
        untrained=unknowing,
    )
    rows = [
        {
            "step": made.step.name,
            "rows_in": made.rows_in,
            "rows_out": made.rows_out,
            "rows_kept": made.kept.rows,
            "rows_failed": made.items_failed,
            "hours": None if made.kept.unknown else made.kept.seconds / 3600,
            "cpu_hours": spent.cpu_s / 3600,
        }
        for made, spent in zip(flows, costs, strict=True)
    ]
    return {"rows": pl.DataFrame(rows, schema=STEPS)}


STAGE = Stage(name="report", kind="reduce", config=Config, run=run, gives=STEPS, shows="report.html")

if __name__ == "__main__":
    main(STAGE)
