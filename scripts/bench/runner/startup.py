"""How long a command takes that computes nothing: `--help` and `dry_run`, here and for a cluster; what it imports."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

from scripts.bench.lines import Line, costs, ran

HEAVY = ("torch", "transformers", "av", "cv2", "decord", "scenedetect", "altair")


def measure(folder: Path, *, times: int = 5, small: bool = False) -> Iterator[Line]:
    imported: set[str] = set()
    words = ("run=x", "dry_run=true", f"runs={folder}")
    commands = [("--help",), words, (*words, "cluster=devcluster")]
    for last in commands[:: 2 if small else 1]:
        command, env = ("-m", "stages.analyze", *last), {"VIDEOS": str(folder)}
        title = "stages.analyze " + " ".join(word for word in last if not word.startswith("runs="))
        try:
            runs = [ran(*command, env=env) for _ in range(1 if small else times)]
            imports = ran("-X", "importtime", *command, env=env).errors
        except subprocess.CalledProcessError as error:
            yield Line(title, "skipped", "s", None, (error.stderr.strip().splitlines() or [str(error)])[-1])
            continue
        imported |= {name for line in imports.splitlines() if (name := line.rpartition("|")[2].strip()) in HEAVY}
        yield from costs(title, runs, 1.5, against=1.05)
    yield Line("heavy modules that these import", ", ".join(sorted(imported)) or "none", "", "none", ", ".join(HEAVY))
