"""What is said in the end: the bars, a line each, and a report with every fault and every trouble."""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from scripts.bench.lines import Line
from scripts.bench.storm.causes import Hit, Seen, explained, hits, is_charged, is_named
from scripts.bench.storm.runs import STEPS
from scripts.bench.storm.state import Kind, Storm
from scripts.bench.storm.verify import Rows, begins, check_rows, orphans

FAULTS = 1000  # that a storm of LONG_S has to do
LONG_S = 25 * 60


def judged(lines: Sequence[Line]) -> list[str]:
    """The bars that do not hold."""
    return [f"{line.what}: {line.cells()[1]}" for line in lines if "short" in line.cells()[4]]


class Report:
    """Everything that was found, worked out once the storm is over."""

    def __init__(self, seed: int, raged_s: float, storm: Storm, seen: Seen, kinds: Mapping[str, Kind]) -> None:
        self.seed, self.raged_s, self.storm = seed, raged_s, storm
        kinds = dict(kinds)
        self.counts = Counter(fault.kind for fault in storm.faults)
        rows = [check_rows(run, storm.killed_workers) for run in storm.runs]
        self.rows = Rows(*([line for found in rows for line in found[number]] for number in range(4)))
        self.orphans = [path for run in storm.runs for path in orphans(run)]
        self.aside = set_aside(storm)
        self.unfinished = [
            f"{run.name}/{step} chunk {chunk}"
            for run in storm.runs
            for step in STEPS
            for chunk in range(run.step(step).plan.n if run.step(step).exists else 1)
            if not run.step(step).exists or run.step(step).done(chunk) is None
        ]
        self.begun, self.items = begins(storm.runs)
        self.ended: list[tuple[Hit, list[str], bool]] = []
        for hit in hits(storm, kinds):
            said = explained(hit)
            self.ended.append((hit, said, is_named(hit, said, kinds)))
        charges = [(hit, is_charged(hit, seen, kinds)) for hit, _, _ in self.ended]
        self.charged = [f"{where(hit)}: {cause} after {kinds_of(hit)}" for hit, cause in charges if cause]
        told = [(hit, [told.words for told in seen.of(hit)]) for hit, _, _ in self.ended]
        self.early = [is_named(hit, words, kinds) for hit, words in told if words]
        self.failed = [command for command in storm.commands if command.status not in (0, 1)]

    def lines(self) -> Iterator[Line]:
        """The seed, the faults by kind, and each bar."""
        yield Line("seed", str(self.seed), how=f"{self.raged_s / 60:.1f} min, {len(self.storm.runs)} runs")
        enough = FAULTS if self.raged_s >= LONG_S else None
        how = f"{len(self.ended)} ended a task's run"
        yield Line("faults", len(self.storm.faults), bar=enough, at_least=True, how=how)
        for kind, number in sorted(self.counts.items()):
            yield Line(f"… {kind}", number)
        yield none("rows lost", self.rows.lost)
        yield none("rows doubled", self.rows.doubled)
        yield none("rows different", self.rows.different)
        yield none("chunks that need a hand", sorted({*self.aside, *self.unfinished}))
        yield none("item_crashed though no worker of the item was killed", self.rows.crashed)
        yield none("attempts charged though the cluster ended them", self.charged)
        ratio = self.begun / max(1, self.items)
        yield Line("begins per item", ratio, bar=1.15, how=f"{self.begun:,} of {self.items:,} items")
        clear = [(hit, said, good) for hit, said, good in self.ended if hit.attempt not in self.storm.damaged]
        unnamed = Counter(kinds_of(hit) for hit, _, good in clear if not good)
        share = 100 * (1 - unnamed.total() / max(1, len(clear)))
        how = ", ".join(f"{number} {kind}" for kind, number in unnamed.most_common(4))
        yield Line("ends whose cause explain names", share, "%", 99.0, how, at_least=True)
        torn = [good for hit, _, good in self.ended if hit.attempt in self.storm.damaged]
        yield Line("… of attempts whose events were damaged", f"{sum(torn)} of {len(torn)}")
        early = f"{sum(self.early)} of {len(self.early)}"
        yield Line("… while their chunks were not finished, as surveys told then", early)
        yield none("orphan files after clean", self.orphans)
        yield Line("commands that ended with an error", len(self.failed), how="; ".join(map(last, self.failed[:2])))

    def write(self, path: Path) -> None:
        """Writes the report as JSON."""
        began = min((fault.at for fault in self.storm.faults), default=0.0)
        ends = [
            {"attempt": where(hit), "slurm": hit.slurm, "faults": kinds_of(hit), "explain": said, "named": good}
            for hit, said, good in self.ended
        ]
        commands = [
            {"words": " ".join(command.words), "began": command.began, "status": command.status, "said": command.said}
            for command in self.failed
        ]
        content = {
            "seed": self.seed,
            "seconds": round(self.raged_s, 1),
            "kinds": dict(sorted(self.counts.items())),
            "bars": [line._asdict() for line in self.lines()],
            "rows": self.rows._asdict(),
            "aside": self.aside,
            "unfinished": self.unfinished,
            "charged": self.charged,
            "orphans": self.orphans,
            "ends": ends,
            "commands": commands,
            "runs": {run.name: run.shape for run in self.storm.runs},
            "faults": [{**asdict(fault), "after_s": round(fault.at - began, 1)} for fault in self.storm.faults],
        }
        path.write_text(json.dumps(content, indent=1))
        print(f"report: {path}", flush=True)


def none(what: str, troubles: Sequence[str]) -> Line:
    """A bar that holds when there is no trouble; else the first one is said."""
    return Line(what, len(troubles), bar=0, how=troubles[0][:150] if troubles else "")


def where(hit: Hit) -> str:
    return f"{hit.place.run.name}/{hit.place.step} chunks {hit.place.chunks} attempt {hit.attempt}"


def kinds_of(hit: Hit) -> str:
    """The kinds of the faults that ended a task's run."""
    return "+".join(sorted({fault.kind for fault in hit.faults}))


def last(command: object) -> str:
    said = str(getattr(command, "said", "")).strip().splitlines()
    return said[-1][:120] if said else "nothing said"


def set_aside(storm: Storm) -> dict[str, str]:
    """Chunks that any resume set aside, and why."""
    found: dict[str, str] = {}
    for command in storm.commands:
        run = next(word.partition("=")[2] for word in command.words if word.startswith("run="))
        step = ""
        for line in command.said.splitlines():
            if header := re.match(r"(\w+): \d+/\d+ chunks done", line):
                step = header[1]
            elif aside := re.match(r"  chunk (\d+) not done: (.*)", line):
                found[f"{run}/{step} chunk {aside[1]}"] = aside[2]
    return found
