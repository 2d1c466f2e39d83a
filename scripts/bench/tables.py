"""Tables of what was found on the ground-truth corpus, beside what is known of it."""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby

from rich.box import SIMPLE_HEAD
from rich.table import Table

from scripts.bench.inputs.films import DEFAULT, Found
from scripts.bench.scores import (
    Score,
    best,
    mean_within,
    score_cuts,
    score_graduals,
    share,
    spread,
    total,
)

WORST = 14
Row = Sequence[object]


def table(title: str, columns: Sequence[str], rows: Sequence[Row]) -> Table:
    made = Table(title=title, box=SIMPLE_HEAD, title_justify="left")
    for n, column in enumerate(columns):
        made.add_column(column, justify="left" if n == 0 or column in ("where", "best setting", "films") else "right")
    for row in rows:
        made.add_row(*(f"{value:.3f}" if isinstance(value, float) else str(value) for value in row))
    return made


def cuts(found: Found, predicted: Sequence[int], *, strict: bool, tolerance: int = 0) -> Score:
    return score_cuts(found.truth["cuts"], found.graduals, predicted, strict=strict, tolerance=tolerance)


def our_cuts(found: Found, *, strict: bool, tolerance: int = 0) -> Score:
    hard = [start for start, _ in found.of_kind("cut")]
    return cuts(found, hard, strict=strict, tolerance=tolerance)


def our_graduals(found: Found) -> Score:
    return score_graduals(found.graduals, found.of_kind("gradual"), [start for start, _ in found.of_kind("cut")])


def their_graduals(found: Found, predicted: Sequence[int]) -> Score:
    """Of a detector that does not tell kinds apart: every cut that is no true one is meant for gradual."""
    rest = [(cut, cut) for cut in predicted if cut not in found.truth["cuts"]]
    inside = [one for one in rest if any(start <= one[0] <= end for start, end in found.graduals)]
    return score_graduals(found.graduals, [one for one in rest if one not in inside], [cut for cut, _ in inside])


def worst(films: Sequence[Found], scored: Callable[[Found], Score]) -> Iterator[tuple[str, str, str]]:
    """The films with most errors, and the frames of these."""
    ranked = sorted(((scored(film), film.name) for film in films), key=lambda pair: (-pair[0].errors, pair[1]))
    for score, name in ranked[:WORST]:
        if score.errors:
            yield name, frames(score.missed), frames(score.wrong)


def frames(numbers: Sequence[int]) -> str:
    return " ".join(map(str, sorted(numbers)[:12])) + (f" … {len(numbers)}" if len(numbers) > 12 else "")


def prf(score: Score) -> tuple[float, float, float]:
    return score.precision, score.recall, score.f1


def grouped(films: Sequence[Found]) -> Iterator[tuple[str, list[Found]]]:
    for group, members in groupby(films, key=lambda film: str(film.truth["group"])):
        yield group, list(members)


def of_cuts(films: Sequence[Found]) -> Iterator[Table]:
    rows: list[Row] = []
    for name, members in [*grouped(films), ("all", films)]:
        neutral, strict = (total(our_cuts(film, strict=how) for film in members) for how in (False, True))
        rows.append((f"analyze: {name}", neutral.hits + len(neutral.missed), *prf(neutral), *prf(strict), ""))
    for detector, settings in by_detector(films).items():
        scores = [
            {s: total(cuts(f, f.others[s], strict=how) for f in films) for s in settings} for how in (False, True)
        ]
        names = [best(score) for score in scores]
        values = [value for score, name in zip(scores, names, strict=True) for value in prf(score[name])]
        chosen = [name.partition(" ")[2] for name in dict.fromkeys(names)]
        rows.append((detector, "", *values, "; strict: ".join(chosen)))
    columns = ("hard cuts, to the frame", "cuts", "P", "R", "F1", "P strict", "R", "F1", "best setting")
    yield table("strict: a cut inside a gradual change, or a frame beside it, is an error", columns, rows)
    listed = list(worst(films, lambda film: our_cuts(film, strict=False)))
    yield table("cuts: the worst films", ("film", "missed", "wrong"), listed)


def of_graduals(films: Sequence[Found]) -> Iterator[Table]:
    score = total(map(our_graduals, films))
    rows: list[Row] = [("analyze", score.hits + len(score.missed), *prf(score), "")]
    kinds = Counter(kind for film in films for _, _, kind in film.truth["gradual"])
    for kind, count in sorted(kinds.items()):
        missed = sum(
            start in our_graduals(film).missed for film in films for start, _, of in film.truth["gradual"] if of == kind
        )
        rows.append((f"… {kind}", count, "", (count - missed) / count, "", ""))
    for detector, settings in by_detector(films).items():
        scores = {s: total(their_graduals(film, film.others[s]) for film in films) for s in settings}
        name = best(scores)
        rows.append((detector, "", *prf(scores[name]), name.partition(" ")[2]))
    columns = ("gradual changes, point in interval", "changes", "P", "R", "F1", "best setting")
    yield table("of PySceneDetect's, every cut that is no true cut is taken for one", columns, rows)
    yield table("gradual: the worst films", ("film", "missed", "wrong"), list(worst(films, our_graduals)))


def by_detector(films: Sequence[Found]) -> dict[str, list[str]]:
    settings: dict[str, list[str]] = {}
    for name in films[0].others if films else ():
        settings.setdefault(name.partition(" ")[0], []).append(name)
    return settings


def split_takes(films: Sequence[Found]) -> list[Found]:
    """Films of one shot in which we see several."""
    return [film for film in films if film.truth["shots"] == 1 and film.shots != 1]


def of_takes(films: Sequence[Found]) -> Iterator[Table]:
    rows = []
    for group, members in grouped(films):
        single = [film for film in members if film.truth["shots"] == 1]
        names = ", ".join(f"{film.name} {film.shots}" for film in split_takes(single))
        if single:
            rows.append((group, len(single), len(split_takes(single)), names))
    yield table("takes of one shot", ("group", "films", "in parts", "where"), rows)


def moving(films: Sequence[Found]) -> Iterator[tuple[str, float, float, float, float | None]]:
    for film in films:
        for span in film.truth["motion"]:
            speeds = (mean_within(v, span["start_s"], span["end_s"]) for v in (film.motion, film.camera))
            ours, camera = (-1.0 if speed is None else speed for speed in speeds)
            name = film.name if len(film.truth["motion"]) == 1 else f"{film.name} at {span['start_s']:g} s"
            yield name.removeprefix("motion_"), span["widths_per_s"], ours, camera, true_camera(span)


def true_camera(span: Mapping[str, object]) -> float | None:
    """The camera's own speed: all of it where nothing else moves, else the number in the words."""
    words, _, things = str(span["camera"]).partition(";")
    if not things:
        return float(str(span["widths_per_s"]))
    numbers = re.findall(r"[\d.]+", words)
    return float(numbers[0]) if numbers else 0.0


def off(true: float, ours: float) -> float:
    return abs(ours - true) / true


def families(spans: Mapping[str, float]) -> Iterator[tuple[str, float]]:
    """How much more the largest of each family of films is, that should be the same."""
    for name, ours in spans.items():
        if "pan_right" in name and (other := name.replace("right", "left")) in spans:
            yield f"{name} against left", spread([ours, spans[other]])
    for what, ending in (("frame rates", "_fps"), ("sizes", "p")):
        same = [ours for name, ours in spans.items() if re.fullmatch(rf"same_at_[\d_]+{ending}", name)]
        if same:
            yield what, spread(same)


def of_motion(films: Sequence[Found]) -> Iterator[Table]:
    spans = list(moving(films))
    rows = [
        (name, true, ours, off(true, ours) if true else "", "" if seen is None else seen, camera)
        for name, true, ours, camera, seen in spans
    ]
    rows.sort(key=lambda row: -float(row[3] or 0))
    columns = ("film", "true widths/s", "measured", "off", "true camera", "measured camera")
    if rows:
        yield table("motion", columns, [tuple(f"{v:.4f}" if isinstance(v, float) else v for v in row) for row in rows])
        same = list(families({name: ours for name, _, ours, _, _ in spans}))
        yield table("motion that should be the same", ("films", "largest / smallest - 1"), same)


def off_share(film: Found, setting: str) -> float:
    """By how much the share of frozen time is off at a setting of freezedetect's."""
    return abs(share(film.freezes[setting], film.duration_s) - float(film.truth["frozen_share"]))


def with_share(films: Sequence[Found]) -> list[Found]:
    """Films whose share of frozen time is known, and was measured."""
    return [film for film in films if film.truth["frozen_share"] is not None and not film.error]


def of_freezes(films: Sequence[Found]) -> Iterator[Table]:
    rows: list[Row] = []
    for film in sorted(with_share(films), key=lambda film: -off_share(film, film.chosen)):
        name, length_s = film.chosen, film.duration_s
        shares = share(film.freezes[DEFAULT], length_s), share(film.freezes[name], length_s)
        theirs = share(film.ffmpeg[name], length_s) if film.ffmpeg else ""
        off_by, differ = off_share(film, name), ", ".join(film.differing())
        rows.append((film.name, film.truth["frozen_share"], shares[0], shares[1], theirs, name, off_by, differ))
    columns = ("film", "true share", f"at {DEFAULT}", "at n", "ffmpeg's", "n", "off", "intervals unlike ffmpeg's at")
    if rows:
        yield table("freezes; n is fitted to the noise of the frozen pictures where that is more", columns, rows)
    others = [(film.name, ", ".join(film.differing())) for film in films if film.truth["frozen_share"] is None]
    others = [(name, differ) for name, differ in others if differ]
    if others:
        yield table("other films with intervals unlike freezedetect's", ("film", "at"), others)
