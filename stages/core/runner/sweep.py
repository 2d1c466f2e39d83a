"""The end of a Hydra multirun: what each point keeps, as a table in the terminal, a Parquet file and a plot.

<runs>/<run>/<step>@<overrides>/            a point: a step of its own, that shares everything before it
<runs>/<run>/sweeps/<step>/points.parquet   point, rows_in, rows_kept, hours_kept; and points.svg
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl
from hydra.core.utils import JobReturn
from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf
from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from slurm.record.manifest import Step
from slurm.screen import show
from stages.core.runner.config import common_key

LONGEST_NAME = 200  # of a directory, in bytes; file systems end at 255


class Sweep(Callback):
    """Hydra calls this one at the end of each point and of the whole."""

    def __init__(self) -> None:
        self.points: list[tuple[str, Step]] = []

    def on_job_end(self, config: DictConfig, job_return: JobReturn, **_: Any) -> None:
        if OmegaConf.is_missing(config, "run"):
            return
        run = (Path(config.runs) / config.run).absolute()
        name = point_name(config.step, config.hydra.overrides.task)
        step = Step(run, name)
        if name != config.step and step.exists:
            self.points.append((name.partition("@")[2], step))

    def on_multirun_end(self, config: DictConfig, **_: Any) -> None:
        if self.points:
            finish(self.points, Path(config.hydra.sweep.dir))


def point_name(step: str, overrides: Sequence[str]) -> str:
    """The step of a point, by what decides its result: `filter@rules.motion.min=0.1`; the step itself if nothing."""
    own = sorted(word.lstrip("+~") for word in overrides if common_key(word) is None)
    name = f"{step}@{','.join(own).replace('/', '_')}" if own else step
    if len(name.encode()) <= LONGEST_NAME:
        return name
    return f"{name[: LONGEST_NAME // 2]}…{hashlib.sha256(name.encode()).hexdigest()[:10]}"


def finish(points: list[tuple[str, Step]], folder: Path) -> None:
    """Writes and prints the table of a sweep's points."""
    table = pl.DataFrame([measured(point, step) for point, step in points], schema=POINTS)
    folder.mkdir(parents=True, exist_ok=True)
    table.write_parquet(folder / "points.parquet")
    plot(table, folder / "points.svg")
    shown = Table(title=escape(f"sweep of {folder.name} ({folder})"), title_justify="left", box=SIMPLE_HEAD)
    for title in ("point", "rows in", "kept", "share", "hours kept"):
        shown.add_column(title, justify="left" if title == "point" else "right", no_wrap=True)
    for point, done, rows, kept, hours in table.iter_rows():
        share = f"{kept / rows:.1%}" if rows else "–"
        numbers = (f"{rows:,}", f"{kept:,}", share, "–" if hours is None else f"{hours:,.4f}")
        shown.add_row(escape(point), *(numbers if done else ("not done", "", "", "")))
    show(shown)


POINTS = {
    "point": pl.String(),
    "complete": pl.Boolean(),
    "rows_in": pl.Int64(),
    "rows_kept": pl.Int64(),
    "hours_kept": pl.Float64(),
}


def measured(point: str, step: Step) -> dict[str, object]:
    done = step.all_done()
    return {
        "point": point,
        "complete": len(done) == step.plan.n,
        "rows_in": sum(d.rows_in for d in done),
        "rows_kept": sum(d.rows_kept for d in done),
        "hours_kept": hours_kept(step) if done else None,
    }


def hours_kept(step: Step) -> float | None:
    """Hours of video in the rows that a step keeps, by the nearest step that knows durations; None if none does."""
    giver: Step | None = step
    while giver is not None and "duration_s" not in giver.plan.gives:
        giver = Step(step.run, giver.plan.inputs[0]) if giver.plan.inputs else None
    if giver is None or (durations := giver.scan()) is None:
        return None
    key = giver.plan.key
    kept = step.kept().select(key).join(durations.select(key, "duration_s"), on=key, how="left")
    seconds = (
        kept.select(pl.col("duration_s").sum(), known=pl.col("duration_s").count(), rows=pl.len()).collect().row(0)
    )
    return float(seconds[0]) / 3600 if seconds[1] or not seconds[2] else None


def plot(table: pl.DataFrame, path: Path) -> None:
    """A bar a point, as long as the rows that it keeps; their hours are written at its end."""
    import altair

    shown = table.with_columns(hours=pl.col("hours_kept").round(4).cast(pl.String).fill_null("–") + " h")
    base = altair.Chart(shown).encode(
        y=altair.Y("point:N", sort=None, title=None), x=altair.X("rows_kept:Q", title="rows kept")
    )
    (base.mark_bar() + base.mark_text(align="left", dx=4).encode(text="hours:N")).properties(width=480).save(path)
