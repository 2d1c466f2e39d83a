"""Measures what `analyze` finds against the ground-truth corpus: cuts, gradual changes, single takes, motion, freezes.

Makes the corpus first where it is not (an hour). PySceneDetect's detectors are tried on the same films, each at its
best setting there (peers/detectors.py), and ffmpeg's freezedetect. Prints a table each, the worst films named; the
lines are the summary against the bars. `truth=FOLDER` is the corpus, `only=GROUP` a part of it, `speed=` exact, fast,
draft or all.
"""

import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from scripts.bench.inputs.films import DEFAULT, JOBS, SPEEDS, Found, Speed, examine
from scripts.bench.inputs.samples import tiny_corpus
from scripts.bench.lines import Line, shared
from scripts.bench.scores import best, total
from scripts.bench.tables import (
    by_detector,
    cuts,
    families,
    moving,
    of_cuts,
    of_freezes,
    of_graduals,
    of_motion,
    of_takes,
    off,
    off_share,
    our_cuts,
    our_graduals,
    split_takes,
    table,
    with_share,
)
from scripts.truth.make import make_corpus

ONE_TAKE = ("distractor", "one_take", "motion")
STILL = 0.002  # bar, widths a second


def summary(films: Sequence[Found], speed: str) -> Iterator[Line]:
    """What the bars are about, over all films."""
    at = f", speed={speed}"
    strict, neutral = (total(our_cuts(film, strict=how) for film in films) for how in (True, False))
    yield Line(f"hard cuts, F1 to the frame{at}", neutral.f1, "", 0.98, at_least=True)
    for name, how in (("", False), (", strict", True)):
        settings = [s for names in by_detector(films).values() for s in names]
        if settings:
            scores = {s: total(cuts(f, f.others[s], strict=how) for f in films) for s in settings}
            theirs, ours = scores[best(scores)].f1, (strict if how else neutral).f1
            yield Line(f"… against PySceneDetect's best{name}", ours, "", theirs, best(scores), at_least=True)
    if speed != "exact":
        for tolerance in (0, 2):
            near = total(our_cuts(film, strict=False, tolerance=tolerance) for film in films)
            yield Line(f"… recall within {tolerance} frames{at}", near.recall)
    gradual = total(map(our_graduals, films))
    yield Line(f"gradual changes, F1{at}", gradual.f1, "", 0.85, at_least=True)
    takes = [film for film in films if film.truth["group"] in ONE_TAKE]
    yield Line(f"one-take controls of several shots{at}", len(split_takes(takes)), "", 0)
    yield from motion_summary(films, at)
    if known := with_share(films):
        shares = {film.name: off_share(film, film.chosen) for film in known}
        largest = max(shares, key=lambda name: shares[name])
        yield Line(f"frozen share error, n fitted, largest{at}", shares[largest], "", 0.02, largest)
        mean, plain = (sum(errors) / len(known) for errors in (shares.values(), (off_share(f, DEFAULT) for f in known)))
        yield Line(f"… frozen share error, mean{at}", mean, "", 0.02, f"at {DEFAULT} {plain:.3f}")
    compared_, unlike = sum(len(f.ffmpeg) for f in films), sum(len(f.differing()) for f in films)
    if compared_:
        yield Line(f"intervals unlike freezedetect's{at}", unlike, "", 0, f"of {compared_}")
    broken = [film.name for film in films if film.error]
    yield Line(f"films that could not be measured{at}", len(broken), "", 0, f"of {len(films)}")


def motion_summary(films: Sequence[Found], at: str) -> Iterator[Line]:
    spans = list(moving(films))
    errors = {name: off(true, ours) for name, true, ours, _, _ in spans if true}
    if not errors:
        return
    mean, over = sum(errors.values()) / len(errors), [name for name, error in errors.items() if error >= 0.1]
    yield Line(f"motion magnitude error, mean{at}", mean, "", 0.1, f"of {len(errors)}")
    yield Line(f"… films of 0.1 and more{at}", len(over), "", 0)
    for title, bar, wanted in (
        ("pans right and left", 0.05, "left"),
        ("frame rates", 0.05, "rates"),
        ("sizes", 0.05, "sizes"),
    ):
        same = [value for name, value in families({n: ours for n, _, ours, _, _ in spans}) if wanted in name]
        if same:
            yield Line(f"motion the same over {title}, within{at}", max(same), "", bar)
    seen = [off(true, camera) for _, _, _, camera, true in spans if true]
    yield Line(f"camera's own error, mean{at}", sum(seen) / len(seen), how=f"of {len(seen)}")
    still = [ours for name, true, ours, _, _ in spans if not true and " at " not in name]
    if still:
        yield Line(f"still with noise, largest{at}", max(still), "widths/s", STILL)


def tables(films: Sequence[Found]) -> Iterator[Table]:
    for of in (of_cuts, of_graduals, of_takes, of_motion, of_freezes):
        yield from of(films)


def compared(results: Mapping[Speed, Sequence[Found]]) -> Table:
    """What the speeds that leave something out cost."""
    rows = []
    for speed, films in results.items():
        hard, near = (total(our_cuts(film, strict=False, tolerance=within) for film in films) for within in (0, 2))
        spans = [(true, ours) for _, true, ours, _, _ in moving(films) if true]
        error = sum(off(true, ours) for true, ours in spans) / max(1, len(spans))
        kinds = total(map(our_graduals, films))
        rows.append((speed, hard.f1, near.f1, hard.recall, near.recall, kinds.f1, len(split_takes(films)), error))
    columns = ("speed", "cuts F1", "within 2", "recall", "within 2", "gradual F1", "takes in parts", "motion error")
    return table("speeds", columns, rows)


def measure(
    folder: Path, *, truth: str = "/tmp/truth", speed: str = "exact", only: str = "", small: bool = False
) -> Iterator[Line]:
    if speed not in (*SPEEDS, "all"):
        raise SystemExit(f"error: speed={speed}; there are: {', '.join(SPEEDS)}, all")
    corpus = shared(folder) / "corpus" if small else Path(truth)
    if small:
        tiny_corpus(corpus)
    elif not (corpus / "truth.json").exists():
        make_corpus(corpus, "*", 7, JOBS)
    console = Console(width=None if sys.stdout.isatty() else 170)
    results: dict[Speed, Sequence[Found]] = {}
    for one in SPEEDS:
        if speed in (one, "all"):
            results[one] = examine(corpus, one, only)
            for made in tables(results[one]):
                console.print(made)
            yield from summary(results[one], one)
    if len(results) > 1:
        console.print(compared(results))
