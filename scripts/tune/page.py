"""The page: page.html.j2 with page.css and page.js in it, so that one file is all. Text of the run is escaped."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from scripts.tune.labels import Scored
from scripts.tune.pictures import Pictured
from scripts.tune.scores import Scores
from slurm.record.files import replacing

HERE = Path(__file__).parent
BINS = 60
MOST_VALUES = 8  # of a list, shown


class Shown(NamedTuple):
    """What is shown beside the slider."""

    near: pl.DataFrame  # rows, see Scores.nearest
    pictures: Mapping[str, Pictured]  # of these, by id
    labels: pl.DataFrame | None  # of a file
    scored: Scored | None  # by these


def write_page(path: Path, scores: Scores, curve: pl.DataFrame, shown: Shown) -> None:
    """Writes the page, whole or not at all; `curve` is what the slider shows."""
    near, pictures, labels, scored = shown
    env = Environment(loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    said = {} if labels is None else dict(labels.select("id", "keep").iter_rows())
    data = {
        "keep": scores.keep,
        "start": scores.threshold,
        "thresholds": [short(value) for value in curve["threshold"]],
        "rows": curve["rows"].to_list(),
        "hours": None if curve["hours"].null_count() else [short(value) for value in curve["hours"]],
        "labels": [] if labels is None else [[i, v, k] for i, v, k in labels.select("id", "value", "keep").iter_rows()],
        "scored": None if scored is None else said_of(scored),
        "file": f"{scores.step.name}_{scores.column}_labels.csv",
        "store": f"{scores.step.run.name}/{scores.step.name}/{scores.column}",
    }
    text = env.get_template("page.html.j2").render(
        scores=scores,
        told=scores.told(),
        cards=[card(row, pictures[row["id"]], said) for row in near.to_dicts()],
        pictured=any(one.uris for one in pictures.values()),
        total_hours=None if data["hours"] is None else float(scores.known["hours"].sum()),
        bars=histogram(scores),
        data=data,
        css=Markup((HERE / "page.css").read_text()),
        js=Markup((HERE / "page.js").read_text()),
    )
    with replacing(path) as temporary:
        temporary.write_text(text)


def short(value: float) -> float:
    """The number with the digits that JSON needs: a value of a row as it is, hours to the second."""
    return value if not math.isfinite(value) else float(repr(value))


def said_of(scored: Scored) -> dict[str, Any]:
    """What the page says of labels of a file, before anything is clicked."""
    return {
        "best": scored.best,
        "threshold": scored.threshold_interval,
        "f1": scored.f1_interval,
        "labels": scored.labels,
        "kept": scored.kept,
    }


def card(row: Mapping[str, Any], seen: Pictured, said: Mapping[str, bool]) -> dict[str, Any]:
    """A row as the page shows it."""
    values = row["values"] or []
    more = f" … {len(values)}" if len(values) > MOST_VALUES else ""
    shown = ", ".join("–" if value is None else f"{value:.4g}" for value in values[:MOST_VALUES]) + more
    label = said.get(row["id"])
    return {
        "id": row["id"],
        "value": row["value"],
        "of": shown,
        "title": seen.title,
        "span": f"{seen.span[0]:.1f} – {seen.span[1]:.1f} s" if seen.span else "",
        "uris": [Markup(uri) for uri in seen.uris],
        "label": "" if label is None else str(int(label)),
    }


def histogram(scores: Scores) -> list[dict[str, float]]:
    """The bars of a histogram, in shares of its width and height: x, width, height."""
    values = scores.known["value"]
    low, high = float(values.min()), float(values.max())  # type: ignore[arg-type]
    width = (high - low) / BINS or 1.0
    bins = ((values - low) / width).cast(pl.Int64).clip(0, BINS - 1).value_counts().sort("value")
    most = max(bins["count"])
    return [{"x": 100 * at / BINS, "w": 100 / BINS, "h": 100 * rows / most} for at, rows in bins.iter_rows()]
