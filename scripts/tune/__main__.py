"""A page that helps a person to choose a threshold: the rows nearest to it with pictures, and what others would keep.

Writes one HTML file that works offline, and beside it a Parquet file with rows and hours at every threshold; with
labels (a CSV with the columns id and keep, by hand or clicked on the page and exported) also precision, recall and F1.

    python -m scripts.tune run=NAME column=watermark [step=filter] [threshold=0.3] [labels=FILE] [reduce=mean]
        [keep=below|above] [rows=24] [out=FILE] [runs=runs]
"""

import math
import sys
from pathlib import Path

from scripts.tune.curve import make_curve
from scripts.tune.labels import Scored, read_labels, score
from scripts.tune.page import Shown, write_page
from scripts.tune.pictures import read_pictures
from scripts.tune.scores import Asked, read_scores
from scripts.words import read_words
from slurm.ending import ending
from slurm.errors import InputError
from slurm.owner import reading
from slurm.record.files import write_table
from slurm.table import find_run

MOST_ROWS = 500  # on each side: a page of more is larger than a browser likes
KEYS = ("run", "column", "step", "threshold", "labels", "reduce", "keep", "rows", "out", "runs")


def main(words: list[str]) -> None:
    if {"--help", "-h"} & {*words}:
        print(__doc__)
        return
    said = read_words(words, KEYS, ("run", "column"))
    run = find_run(Path(said["runs"]) / said["run"] if "runs" in said else said["run"])
    asked = Asked(
        run=run,
        step=said.get("step"),
        column=said["column"],
        reduce=said.get("reduce"),
        keep=said.get("keep"),
        threshold=number("threshold", said["threshold"]) if "threshold" in said else None,
    )
    most = int(number("rows", said.get("rows", "24")))
    with reading():
        scores = read_scores(asked)
        labels = read_labels(Path(said["labels"]), scores) if "labels" in said else None
        near = scores.nearest(most)
        pictures = read_pictures(scores, near)
    curve, scored = make_curve(scores), score(labels, scores) if labels is not None else None
    out = Path(said.get("out", run / "sweeps" / "tune" / scores.step.name / f"{scores.column}.html"))
    if "out" in said and not out.parent.is_dir():
        raise InputError(f"out={out}: there is no folder {out.parent.absolute()}")
    write_page(out, scores, curve, Shown(near, pictures, labels, scored))
    write_table(out.with_suffix(".parquet"), curve if scored is None else curve.join(
        scored.curve, on="threshold", how="full", coalesce=True, maintain_order="left_right"
    ).sort("threshold"))  # fmt: skip
    print(scores.told())
    if scored is not None:
        print(told(scored))
    print(f"{out}")


def number(key: str, value: str) -> float:
    try:
        found = float(value)
    except ValueError:
        raise InputError(f"{key}={value}: a number, please") from None
    if not math.isfinite(found) or (key == "rows" and not 0 <= found <= MOST_ROWS):
        raise InputError(f"{key}={value}: {f'from 0 to {MOST_ROWS}' if key == 'rows' else 'a number, please'}")
    return found


def told(scored: Scored) -> str:
    best, low, high = scored.best, scored.threshold_interval, scored.f1_interval
    return (
        f"{scored.labels:,} labels ({scored.kept:,} keep): best F1 {best['f1']:.3f} ({high[0]:.3f} to {high[1]:.3f}) "
        f"at {best['threshold']:.6g} ({low[0]:.6g} to {low[1]:.6g}), precision {best['precision']:.3f}, recall "
        f"{best['recall']:.3f}; intervals: 95 % of {scored.resamples:,} resamples"
    )


if __name__ == "__main__":
    with ending("nothing of the run is changed by this"):
        main(sys.argv[1:])
