"""Measures what `analyze` finds against the ground-truth corpus: cuts, gradual changes, single takes, motion, freezes.

Makes the corpus first where it is not (an hour). PySceneDetect's detectors are tried on the same films, each at its
best setting there (bench_detectors.py), and ffmpeg's freezedetect. A table each, the worst films named, and a summary
against the bars; the exit status is 0.

    python -m scripts.bench.truth [truth=/tmp/truth] [speed=exact|fast|draft|all] [only=GROUP]
"""

import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from scripts.bench.inputs.films import DEFAULT, JOBS, SPEEDS, Found, Speed, examine
from scripts.bench.scores import best, total
from scripts.bench.tables import (
    Row,
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


def summary(films: Sequence[Found], speed: str) -> Iterator[Row]:
    strict, neutral = (total(our_cuts(film, strict=how) for film in films) for how in (True, False))
    yield "hard cuts, F1 to the frame", neutral.f1, ">= 0.98", neutral.f1 >= 0.98
    for name, how in (("", False), (", strict", True)):
        settings = [s for names in by_detector(films).values() for s in names]
        if settings:
            scores = {s: total(cuts(f, f.others[s], strict=how) for f in films) for s in settings}
            theirs, ours = scores[best(scores)].f1, (strict if how else neutral).f1
            yield f"… against PySceneDetect's best{name}", ours, f">= {theirs:.3f} {best(scores)}", ours >= theirs
    if speed != "exact":
        for tolerance in (0, 2):
            near = total(our_cuts(film, strict=False, tolerance=tolerance) for film in films)
            yield f"… recall within {tolerance} frames", near.recall, "", True
    gradual = total(map(our_graduals, films))
    yield "gradual changes, F1", gradual.f1, ">= 0.85", gradual.f1 >= 0.85
    takes = [film for film in films if film.truth["group"] in ONE_TAKE]
    yield "one-take controls of several shots", len(split_takes(takes)), "0", not split_takes(takes)
    yield from motion_summary(films)
    if known := with_share(films):
        shares = {film.name: off_share(film, film.chosen) for film in known}
        largest = max(shares, key=lambda name: shares[name])
        yield f"frozen share error, n fitted, largest: {largest}", shares[largest], "< 0.02", shares[largest] < 0.02
        mean, plain = (sum(errors) / len(known) for errors in (shares.values(), (off_share(f, DEFAULT) for f in known)))
        yield f"… mean; at {DEFAULT} {plain:.3f}", mean, "< 0.02", mean < 0.02
    compared_, unlike = sum(len(f.ffmpeg) for f in films), sum(len(f.differing()) for f in films)
    if compared_:
        yield f"intervals unlike freezedetect's, of {compared_}", unlike, "0", unlike == 0
    broken = [film.name for film in films if film.error]
    yield "films that could not be measured", len(broken), "0", not broken


def motion_summary(films: Sequence[Found]) -> Iterator[Row]:
    spans = list(moving(films))
    errors = {name: off(true, ours) for name, true, ours, _, _ in spans if true}
    if not errors:
        return
    mean, over = sum(errors.values()) / len(errors), [name for name, error in errors.items() if error >= 0.1]
    yield f"motion magnitude error, mean of {len(errors)}", mean, "< 0.1", mean < 0.1
    yield "… films of 0.1 and more", len(over), "0", not over
    for title, bar, wanted in (
        ("pans right and left", 0.05, "left"),
        ("frame rates", 0.05, "rates"),
        ("sizes", 0.05, "sizes"),
    ):
        same = [value for name, value in families({n: ours for n, _, ours, _, _ in spans}) if wanted in name]
        if same:
            yield f"motion the same over {title}, within", max(same), f"< {bar}", max(same) < bar
    seen = [off(true, camera) for _, _, _, camera, true in spans if true]
    yield f"camera's own error, mean of {len(seen)}", sum(seen) / len(seen), "", True
    still = [ours for name, true, ours, _, _ in spans if not true and " at " not in name]
    if still:
        yield "still with noise, largest widths/s", max(still), f"< {STILL}", max(still) < STILL


def tables(films: Sequence[Found], speed: str) -> Iterator[Table]:
    for of in (of_cuts, of_graduals, of_takes, of_motion, of_freezes):
        yield from of(films)
    rows = [
        (*row[:3], "" if not row[2] else "[green]ok[/]" if row[3] else "[red]short[/]") for row in summary(films, speed)
    ]
    yield table(f"speed={speed}, {len(films)} films", ("measure", "measured", "bar", ""), rows)


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


def words_of(arguments: Sequence[str]) -> dict[str, str]:
    """The key=value words of the command line. Raises SystemExit for any other."""
    words = {"truth": "/tmp/truth", "speed": "exact", "only": ""}
    for word in arguments:
        key, _, value = word.partition("=")
        if key not in words:
            raise SystemExit(f"unknown word {word!r}; there are: {', '.join(words)}")
        words[key] = value
    if words["speed"] not in (*SPEEDS, "all"):
        raise SystemExit(f"speed={words['speed']}; there are: {', '.join(SPEEDS)}, all")
    return words


def main(arguments: Sequence[str]) -> int:
    words = words_of(arguments)
    folder = Path(words["truth"])
    if not (folder / "truth.json").exists():
        make_corpus(folder, "*", 7, JOBS)
    console = Console(width=None if sys.stdout.isatty() else 170)
    results: dict[Speed, Sequence[Found]] = {}
    for speed in SPEEDS:
        if words["speed"] in (speed, "all"):
            results[speed] = examine(folder, speed, words["only"])
            for made in tables(results[speed], speed):
                console.print(made)
    if len(results) > 1:
        console.print(compared(results))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
