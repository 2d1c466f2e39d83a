"""The benchmarks, each a module with a function `measure`; against another commit, in turns with it.

Measurements and no tests: on a busy machine times are larger, and the exit status is 0 whatever they are. A benchmark
that cannot be run makes it 1, an unknown word 2.

    python -m scripts.bench NAME …|all [small=true] [against=COMMIT] [rounds=2] [folder=DIR] [KEY=VALUE …]

folder=DIR keeps what was made (films, runs) for the next time. Other keys are those of `measure`.
"""

import importlib
import inspect
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from rich.console import Console
from rich.table import Table

from scripts.bench.lines import ROOT, Line, empty_table, shown, verdict
from scripts.bench.trees import has, lay_over, tree_of

sys.path.append(str(ROOT / "tests"))  # some measure against the servers of the tests

BENCHMARKS = {
    **{
        name: f"scripts.bench.runner.{name}"
        for name in ("startup", "plan", "overhead", "sweep", "status", "explain", "submit")
    },
    **{
        name: f"scripts.bench.{name}"
        for name in ("catalogue", "zip", "download", "align", "alarms", "package", "opt_out", "report", "explorer")
    },
    **{
        name: f"scripts.bench.models.{name}"
        for name in ("generate", "embedded", "frame_scores", "describe_frames", "transnet", "motion_flow", "caption")
    },
    **{
        name: f"scripts.bench.video.{name}"
        for name in ("skim", "analyze", "memory", "cut", "truth", "real", "camera", "crop")
    },
    **{name: f"scripts.bench.choosing.{name}" for name in ("filter", "dedup", "balance")},
    "storm": "scripts.bench.storm.storm",
}
OWN = ("against", "rounds", "folder", "lines")  # keys of this entry; `lines` is where a child process writes


class Tree(NamedTuple):
    name: str
    root: Path


Figures = dict[str, dict[str, list[Line]]]  # of each line of a benchmark, by tree, a round each


def main(words: Sequence[str]) -> int:
    if {"-h", "--help"} & {*words}:
        print(__doc__)
        return 0
    keys = dict(word.split("=", 1) for word in words if "=" in word)
    names = [word for word in words if "=" not in word]
    own, rest = ({k: v for k, v in keys.items() if (k in OWN) == mine} for mine in (True, False))
    chosen = list(BENCHMARKS) if "all" in names else names
    if trouble := refused(names, chosen, rest) or wrong_value(chosen, keys):
        print(f"error: {trouble}", file=sys.stderr)
        return 2
    if "lines" in own:
        return measured_here(chosen[0], rest, Path(own["folder"]), Path(own["lines"]))
    status = 0
    with ExitStack() as ends:
        place = Path(ends.enter_context(tempfile.TemporaryDirectory(prefix="reelmill-bench-")))
        kept = Path(own["folder"]).absolute() if "folder" in own else place
        there = [Tree(own["against"], tree_of(own["against"], place / "tree"))] if "against" in own else []
        trees = [Tree("here", ROOT), *there]
        rounds = int(own.get("rounds", len(trees)))
        for name in chosen:
            for tree in there:
                if not has(tree.root, BENCHMARKS[name]):
                    lay_over(tree.root, tree.name)
            known = [key for key in rest if key in keys_of(name)]
            figures, failures = in_turns(name, {key: rest[key] for key in known}, trees, rounds, kept)
            console = Console(width=None if sys.stdout.isatty() else 180)
            console.print(compared(name, figures, trees) if there else alone(name, figures))
            if rest.get("small") == "true":
                print("small=true shows that it runs; the bars are for whole sizes")
            for failure in failures:
                print(f"{name}: failed {failure}", file=sys.stderr)
            status = max(status, bool(failures))
    return status


def refused(names: Sequence[str], chosen: Sequence[str], keys: Mapping[str, str]) -> str:
    """What is wrong with the words; nothing if they are good."""
    if not names:
        return f"say which benchmark; there are: {', '.join(BENCHMARKS)}, all"
    if unknown := [name for name in names if name not in (*BENCHMARKS, "all")]:
        return f"unknown benchmark {unknown[0]!r}; there are: {', '.join(BENCHMARKS)}, all"
    valid = sorted({key for name in chosen for key in keys_of(name)})
    if other := [key for key in keys if key not in valid]:
        return f"unknown key {other[0]}=; valid there: {', '.join([*valid, *OWN[:-1]])}"
    return ""


def wrong_value(chosen: Sequence[str], keys: Mapping[str, str]) -> str:
    """Which word has a value that is none for its key; nothing if all are good."""
    for key, value in keys.items():
        defaults = [found[key] for name in chosen if key in (found := {**keys_of(name), "rounds": 1})]
        try:
            for default in defaults:
                typed(value, default)
        except ValueError:
            return f"{key}={value}: it takes a value like {defaults[0]}"
    return ""


def keys_of(name: str) -> dict[str, Any]:
    """The keys of a benchmark, and their defaults."""
    parameters = inspect.signature(importlib.import_module(BENCHMARKS[name]).measure).parameters.values()
    return {key.name: key.default for key in parameters if key.kind is key.KEYWORD_ONLY}


def measured_here(name: str, keys: Mapping[str, str], folder: Path, out: Path) -> int:
    """Measures in this process; each line is written when it is there, since a later one may fail."""
    given = {key: typed(value, keys_of(name)[key]) for key, value in keys.items()}
    folder.mkdir(parents=True, exist_ok=True)
    with out.open("w") as file:
        for line in importlib.import_module(BENCHMARKS[name]).measure(folder, **given):
            print(json.dumps(line), file=file, flush=True)
    return 0


def typed(value: str, default: Any) -> Any:
    """A word's value as what the key's default is."""
    return value == "true" if isinstance(default, bool) else type(default)(value)


def in_turns(
    name: str, keys: Mapping[str, str], trees: Sequence[Tree], rounds: int, kept: Path
) -> tuple[Figures, list[str]]:
    """The lines that each tree's process measured, one tree after another in each round; and what failed."""
    figures: Figures = {}
    failures: list[str] = []
    words = [f"{key}={value}" for key, value in keys.items()]
    for number in range(rounds):
        for tree in trees:
            with tempfile.NamedTemporaryFile("r", suffix=".jsonl") as file:
                place = [f"folder={kept / name / tree.name}", f"lines={file.name}"]
                path = os.pathsep.join([str(tree.root), str(tree.root / "tests")])
                command = [sys.executable, "-m", "scripts.bench", name, *words, *place]
                done = subprocess.run(command, cwd=tree.root, env={**os.environ, "PYTHONPATH": path}, check=False)
                for line in (Line(*json.loads(text)) for text in file):
                    figures.setdefault(line.what, {}).setdefault(tree.name, []).append(line)
                if done.returncode:
                    failures.append(f"in {tree.name}, round {number + 1}: status {done.returncode}, as said above")
    return figures, failures


def alone(name: str, figures: Figures) -> Table:
    """A line each beside its bar; of several rounds the last one."""
    load = f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
    table = empty_table(f"{name}; {load}", "what", "measured", "unit", "bar", "", "of it")
    for by_tree in figures.values():
        table.add_row(*by_tree["here"][-1].cells())
    return table


def compared(name: str, figures: Figures, trees: Sequence[Tree]) -> Table:
    """A line each with the medians here and there; the ratio is the median of the rounds'."""
    here, there = (tree.name for tree in trees)
    load = f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
    table = empty_table(f"{name}; {load}", "what", "here", there, "unit", "here / there", "bar", "", "of it")
    for what, by_tree in figures.items():
        ours, theirs = (by_tree.get(tree, []) for tree in (here, there))
        line = (ours or theirs)[0]
        pairs = [(a, b) for a, b in zip(numbers(ours), numbers(theirs), strict=False) if b]
        times = median(a / b for a, b in pairs) if pairs else None
        judged = line.against is not None and times is not None
        table.add_row(
            what,
            middle(ours),
            middle(theirs),
            line.unit,
            f"{times:.3f}" if times is not None else "",
            f"<= {line.against:g}" if judged else "",
            verdict(times is not None and line.against is not None and times <= line.against) if judged else "",
            ", ".join(f"{a / b:.3f}" for a, b in pairs),
        )
    return table


def numbers(lines: Sequence[Line]) -> list[float]:
    return [line.measured for line in lines if not isinstance(line.measured, str)]


def middle(lines: Sequence[Line]) -> str:
    """The median of the rounds, or what was said instead of a number."""
    values = numbers(lines)
    return shown(median(values)) if values else str(lines[-1].measured) if lines else ""


if __name__ == "__main__":
    try:  # not slurm.ending: the trees of older commits have none
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        print("\ninterrupted: what folder=DIR holds is kept for the next time", file=sys.stderr)
        sys.exit(130)
