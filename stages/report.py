"""A report of the run on one page: rows by step and by source, losses by reason, scores, sweeps, pictures, cost.

Reads every step before it that is finished, and names the others; writes `report.html` (one self-contained file) into
its own folder, and a row per step; beside it `explorer/`, in which each row of the run is looked at. The points of
sweeps that are finished are shown, too: they are no input of its own, so after another sweep it is made again by
overwrite=report.

    python -m stages.report run=NAME
    python -m stages.report run=NAME explorer=false
    python -m stages.report run=NAME overwrite=report price.cpu_hour=0.04 price.gpu_hour=2
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
    """Maximum number of key frames, and number of histogram bins; what of the explorer; see conf/stage/report.yaml."""

    thumbnails: Annotated[int, Field(ge=0)]
    bins: Annotated[int, Field(gt=0)]
    explorer: bool
    posters: Annotated[int, Field(ge=0)]
    media_base: str | None


def run(steps: Mapping[str, Step], config: Config, folder: Path) -> dict[str, pl.DataFrame]:
    from slurm.pool.spending import read_terms
    from stages.core.report.content.balanced import read_balanced
    from stages.core.report.content.categories import count_categories, count_untrained
    from stages.core.report.content.contested import choose_contested
    from stages.core.report.content.histograms import judged_columns, make_histograms, make_unjudged
    from stages.core.report.content.matches import read_matches
    from stages.core.report.content.media import describe_media
    from stages.core.report.content.texts import read_texts
    from stages.core.report.content.thumbnails import choose_thumbnails
    from stages.core.report.flow.costs import read_cost
    from stages.core.report.flow.funnel import read_flows
    from stages.core.report.flow.paths import list_paths, read_settings
    from stages.core.report.flow.sources import read_sources
    from stages.core.report.flow.still import hold_still
    from stages.core.report.flow.sweeps import read_sweeps
    from stages.core.report.flow.throughput import read_throughput
    from stages.core.report.page import Page, write

    others = hold_still(step for step in steps.values() if step.plan.stage != STAGE.name)
    ordered = [step for step in others if step.complete()]
    sources, terms = read_sources(ordered), read_terms(folder.parent)
    flows, costs = read_flows(ordered, sources), [read_cost(step, terms) for step in ordered]
    judged = judged_columns(ordered)
    sweeps = read_sweeps(folder.parent) if "@" not in folder.name else []
    if config.explorer:
        from stages.core.explorer.write import write_explorer

        write_explorer(folder / "explorer", ordered, config.posters, config.media_base)
    page = Page(
        run=folder.parent,
        flows=flows,
        costs=costs,
        currency=terms.currency,
        sources=sources,
        histograms=[
            *(shown for step in ordered for shown in make_histograms(step, config.bins)),
            *(shown for step in ordered for shown in make_unjudged(step, judged, config.bins)),
        ],
        thumbnails=choose_thumbnails(ordered, config.thumbnails, sources),
        media=[videos for step in ordered if (videos := describe_media(step))],
        categorized=[counts for step in ordered if (counts := count_categories(step))],
        balanced=[chosen for step in ordered if (chosen := read_balanced(step))],
        texts=[alarms for step in ordered if (alarms := read_texts(step))],
        matches=[lowest for step in ordered if (lowest := read_matches(step))],
        sweeps=[(sweep, choose_contested(sweep, config.thumbnails // 2)) for sweep in sweeps],
        throughput=read_throughput(ordered),
        paths=list_paths(ordered),
        settings=read_settings(folder.parent),
        untrained={step.name: number for step in ordered if (number := count_untrained(step))},
        unfinished={step.name: (len(step.all_done()), step.plan.n) for step in others if step not in ordered},
        explorer=config.explorer,
    )
    write(folder / "report.html", page)
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
