"""Runs whose packed videos are published, in a folder or on a Hub."""

import shutil
from pathlib import Path

import polars as pl
import yaml
from support.released import make_video, write_dataset
from support.runs import planned

from slurm.record.manifest import Step
from stages.core.runner.pipeline import submit_steps

DAY = "version.date=2026-12-01"


class Published:
    """A run with a package step `package` of FineVideo's videos; every step of `publish` has a name of its own."""

    def __init__(self, folder: Path, *more: str, videos: int = 4, source: str = "finevideo") -> None:
        self.folder, self.run = folder, folder / "r"
        made = {f"v{n}": make_video(folder / "videos" / f"v{n}.mp4", noise=20 + n) for n in range(videos)}
        if source == "finevideo":
            self.source = write_dataset(folder / "in", made)
            self.words = ["source.annotations=true", "after=download"]
        else:
            self.source = folder / "list.csv"
            pl.DataFrame({"video_id": [*made], "path": [*map(str, made.values())]}).write_csv(self.source)
            self.words = ["after=ingest"]
        self.words += [f"source={source}", f"input.path={self.source}", "chunks.size=2", "shard_gb=0.00005"]
        self.biases = folder / "biases.md"
        self.biases.write_text("### Who is shown\nMostly test pictures. <!-- not people -->\n")
        self.pack(*more)

    def pack(self, *more: str) -> None:
        words = ["run=r", f"runs={self.folder}", *self.words, "cluster.executor=debug", *more]
        assert submit_steps(planned("package", *words)) == 0

    def publish(self, step: str = "publish", *more: str) -> int:
        return submit_steps(planned("publish", *self.command(step, *more)))

    def command(self, step: str, *more: str) -> list[str]:
        own = ["run=r", f"runs={self.folder}", f"step={step}", f"card.biases={self.biases}", DAY]
        return [*own, "cluster.executor=debug", *more]

    def release(self, step: str = "publish") -> Path:
        return self.run / step / "release"

    def head(self, step: str = "publish") -> dict[str, object]:
        """The YAML at the top of the card."""
        head: dict[str, object] = yaml.safe_load(self.card(step).split("---\n")[1])
        return head

    def card(self, step: str = "publish") -> str:
        return (self.release(step) / "README.md").read_text()

    def row(self, step: str = "publish") -> dict[str, object]:
        return Step(self.run, step).kept().collect().row(0, named=True)

    def copy(self, folder: Path) -> "Published":
        """The same run elsewhere."""
        shutil.copytree(self.folder, folder, symlinks=True)
        other = object.__new__(Published)
        other.__dict__ = self.__dict__ | {"folder": folder, "run": folder / "r"}
        return other

    def failure(self, step: str) -> str:
        """Why the step could not be made, in the words of its last attempt."""
        paths = sorted((self.run / step / "attempts").rglob("*.jsonl"), key=lambda path: path.stat().st_mtime)
        ends = [line for line in paths[-1].read_text().splitlines() if '"event": "end"' in line]
        return str(ends[-1])
