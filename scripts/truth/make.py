"""A corpus of videos whose cuts, transitions, motion and freezes are known, drawn by numpy and encoded by ffmpeg.

Writes the videos and, after each, `truth.json`, which names only what is complete; what it names and is there is left
alone. The same seed gives the same pictures. Groups, each in a file of its own: cuts, gradual, distractor and one_take,
motion, freeze, numbered.

    python -m scripts.truth.make --out truth [--only 'cuts_*'] [--jobs 2] [--seed 7]

Of a file, `truth.json` says:
    cuts          the first frame of each shot that begins at a hard cut, counted from 0
    gradual       [start, end, kind]: the first frame that is not purely the old shot, the first that is purely the new
    end_fades     fades from black at the start and to black at the end: they part no shots
    shots         1 + cuts + gradual
    motion        spans with the mean over time and pixels of the true flow's magnitude, in frame widths a second
    freezes       spans (seconds) from the first of a run of equal pictures to the first that is another
    frozen_share  their share of the film's length, where freezes are this file's subject
    noise_db      mean absolute difference of frozen neighbours, all planes, against full range, before encoding
    times_s       the times of all frames, where the frame rate varies
"""

import argparse
import json
import signal
from concurrent.futures import ProcessPoolExecutor, as_completed
from fnmatch import fnmatch
from functools import cache
from pathlib import Path
from typing import Any

from scripts.truth import cuts as truth_cuts
from scripts.truth import freezes as truth_freezes
from scripts.truth import gradual as truth_gradual
from scripts.truth import motion as truth_motion
from scripts.truth import numbered as truth_numbered
from scripts.truth import takes as truth_takes
from scripts.truth.drawing.writing import make
from scripts.truth.film import Film
from slurm.ending import ending

VERSION = 2  # raised when what truth.json says stays the same, but pictures change
GROUPS = (truth_cuts, truth_gradual, truth_takes, truth_motion, truth_freezes, truth_numbered)


@cache
def films(seed: int) -> dict[str, Film]:
    """All films by their files' names."""
    return {film.file: film for group in GROUPS for film in group.films(seed)}


def make_named(file: str, seed: int, folder: Path) -> str:
    """Makes one film, in a process that works out for itself what it looks like."""
    make(films(seed)[file], seed, folder)
    return file


def make_corpus(folder: Path, only: str, seed: int, jobs: int) -> list[str]:
    """Makes what is missing of the films whose file's name fits; their names, in the order they were done."""
    folder.mkdir(parents=True, exist_ok=True)
    record = folder / "truth.json"
    truths = {file: json.loads(json.dumps(film.truth())) for file, film in films(seed).items()}
    found: dict[str, Any] = json.loads(record.read_text()) if record.exists() else {}
    kept = found["files"] if (found.get("seed"), found.get("version")) == (seed, VERSION) else []
    complete = {e["name"] for e in kept if truths.get(e["name"]) == e and (folder / e["name"]).exists()}
    missing = [file for file in truths if fnmatch(file, only) and file not in complete]
    made = []
    with ProcessPoolExecutor(jobs, initializer=signal.signal, initargs=(signal.SIGINT, signal.SIG_DFL)) as pool:
        try:
            for done in as_completed([pool.submit(make_named, file, seed, folder) for file in missing]):
                made.append(done.result())
                complete.add(made[-1])
                print(f"{folder / made[-1]}", flush=True)
                files = [truth for file, truth in truths.items() if file in complete]
                unfinished = record.with_suffix(".part")
                unfinished.write_text(json.dumps({"seed": seed, "version": VERSION, "files": files}, indent=1))
                unfinished.replace(record)
        finally:  # of an error or Ctrl-C, too: what is not begun is left
            pool.shutdown(cancel_futures=True)
    return made


def main() -> None:
    """The command line: makes the corpus and prints each file as it is done."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--out", type=Path, required=True, help="folder to write to")
    parser.add_argument("--only", default="*", help="make only files whose name fits this pattern")
    parser.add_argument("--jobs", type=int, default=2, help="films made at once")
    parser.add_argument("--seed", type=int, default=7, help="another seed draws other scenes")
    args = parser.parse_args()
    made = make_corpus(args.out, args.only, args.seed, args.jobs)
    print(f"made {len(made)}" if made else "already complete")


if __name__ == "__main__":
    with ending("films that are made are kept"):
        main()
