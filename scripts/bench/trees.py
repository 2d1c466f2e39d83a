"""Another commit's tree, in which the benchmarks of this one can be run: `against=COMMIT`."""

import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from scripts.bench.lines import ROOT

SPLIT_OFF = {"stages.core.command_line.start": "stages.core.runner.stage"}  # what was part of another module before
MODULE = re.compile(r"\b(?:slurm|stages)(?:\.\w+)+")


def tree_of(commit: str, folder: Path, repository: Path = ROOT) -> Path:
    """A new folder with the commit's files. Raises SystemExit if there is no such commit."""
    folder.mkdir(parents=True)
    archive = subprocess.run(["git", "-C", repository, "archive", commit], capture_output=True, check=False)
    if archive.returncode:
        said = archive.stderr.decode().strip().splitlines()[-1]
        raise SystemExit(f"error: against={commit}: {said}; `git log --oneline` lists the commits")
    subprocess.run(["tar", "-x", "-C", folder], input=archive.stdout, check=True)
    return folder


def has(tree: Path, module: str) -> bool:
    """Whether the tree has a benchmark of its own, by this entry."""
    return all((tree / f"{name.replace('.', '/')}.py").exists() for name in ("scripts.bench.__main__", module))


def lay_over(tree: Path, commit: str, repository: Path = ROOT) -> None:
    """Puts this tree's scripts/ into that of a commit that lacks a benchmark; its modules bear their names of then.

    So both trees are measured by the same benchmark, each with its own packages.
    """
    then = names_then(commit, repository)
    shutil.rmtree(tree / "scripts" / "bench", ignore_errors=True)
    shutil.copytree(repository / "scripts", tree / "scripts", dirs_exist_ok=True)
    for file in (tree / "scripts").rglob("*.py"):
        file.write_text(MODULE.sub(lambda found: renamed(found[0], then), file.read_text()))


def names_then(commit: str, repository: Path = ROOT) -> dict[str, str]:
    """What the modules that were moved since were called at the commit, and packages that were moved whole.

    Of a module that git finds no other name for, the only one of the commit with the same last name.
    """
    asked = ["diff", "--name-status", "-M30%", "-l0", "--diff-filter=R", commit, "--", "slurm", "stages"]
    moved = subprocess.run(["git", "-C", repository, *asked], capture_output=True, text=True, check=True).stdout
    then: dict[str, str] = {}
    for line in moved.splitlines():
        before, now = (path.removesuffix(".py").replace("/", ".") for path in line.split("\t")[1:])
        then[now] = before
        if now.endswith(".__main__"):
            then[now.removesuffix(".__main__")] = before.removesuffix(".__main__")
    listed = ["ls-tree", "-r", "--name-only", commit, "--", "slurm", "stages"]
    there = subprocess.run(["git", "-C", repository, *listed], capture_output=True, text=True, check=True).stdout
    modules = [path.removesuffix(".py").replace("/", ".") for path in there.split() if path.endswith(".py")]
    for path in (path for root in ("slurm", "stages") for path in (repository / root).rglob("[!_]*.py")):
        now = str(path.relative_to(repository)).removesuffix(".py").replace("/", ".")
        alike = [m for m in modules if m.split(".")[0] == now.split(".")[0] and m.rpartition(".")[2] == path.stem]
        if now not in modules and len(alike) == 1:
            then.setdefault(now, alike[0])
    for now, part in SPLIT_OFF.items():
        if now not in modules:
            then[now] = then.get(part, part)
    return then


def renamed(module: str, then: Mapping[str, str]) -> str:
    """A dotted name with the longest part of it that was called otherwise then."""
    words = module.split(".")
    for length in range(len(words), 1, -1):
        if (name := ".".join(words[:length])) in then:
            return ".".join([then[name], *words[length:]])
    return module
