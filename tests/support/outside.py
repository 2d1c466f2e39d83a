"""A site's own folder, outside this tree: `code/` with stages, `conf/` with their configs and recipes."""

import subprocess
from collections.abc import Mapping
from pathlib import Path

from support.runs import ROOT, command


def write_files(folder: Path, files: Mapping[str, str]) -> None:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content.lstrip())


def call(folder: Path, *words: str, conf: str = "--config-dir={}") -> "subprocess.CompletedProcess[str]":
    """A command that knows the folder, with its runs in it; `conf` names its configs, or is empty."""
    where = (f"runs={folder / 'runs'}", *([conf.format(folder / "conf")] if conf else []))
    return command(*words, *where, env={"PYTHONPATH": f"{folder / 'code'}:{ROOT}"})
