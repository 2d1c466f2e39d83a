"""Where the files of a step lie, in its run's directory. Nobody else knows a name in there.

<run>/<step>/                       rows and media: a glob in here meets nothing that is not the step's result of now
    step.json                       what the step is (`Plan`), written once
    changes.json                    later values of config keys that cannot change a result (timeouts, retries, pace)
    extensions/<k>.json             the chunks that the k-th extension added
    borders/<k>.json                the borders of those chunks, written by whichever task needs them first
    borders/<k>.costs.json          what each of them costs, where they were balanced by a column
    cluster.json                    where the step runs
    submissions/<id>/               frozen before sbatch
    attempts/<bucket>/<chunk>/      events of each attempt at a chunk
    partial/<bucket>/<chunk>/       rows that attempts finished before they ended, as .flush
    parts/<bucket>/                 the rows of finished chunks, as .parquet
    done/<bucket>/<chunk>.json      the last act of a chunk
    logs/<id>/                      one log a task
    .<record>.secret                what has *** in a record instead, for its owner alone (see credentials.py)
    .cache                          what `status` read before; may be removed at any time
    media/                          the files that the stage writes
<run>/tables/<step>/<table>/<bucket>/   side tables, as .parquet, under the names of their parts
<run>/.superseded/<step>/           what was replaced, until `python -m slurm clean`
<run>/removals/                     what was taken out for good (see slurm/removals.py)
"""

from pathlib import Path

PER_BUCKET = 1000
ROWS = "rows"  # the main table of a step
RESERVED = ("pools", "removals", "sweeps", "tables")  # directories of a run that are no steps


def bucket(chunk: int) -> str:
    """The folder of a chunk, so that no directory holds more than a thousand chunks: 42 → `000`, 12345 → `012`."""
    return f"{chunk // PER_BUCKET:03d}"


def chunk_name(chunk: int) -> str:
    return f"{chunk:06d}"


class StepPaths:
    """The files and folders of a step."""

    def __init__(self, run: Path, step: str) -> None:
        self.run = run
        self.root = run / step
        self.plan = self.root / "step.json"
        self.changes = self.root / "changes.json"
        self.extensions = self.root / "extensions"
        self.borders = self.root / "borders"
        self.cluster = self.root / "cluster.json"
        self.submissions = self.root / "submissions"
        self.attempts = self.root / "attempts"
        self.partial = self.root / "partial"
        self.parts = self.root / "parts"
        self.dones = self.root / "done"
        self.logs = self.root / "logs"
        self.cache = self.root / ".cache"
        self.media = self.root / "media"
        self.tables = run / "tables" / step
        self.superseded = run / ".superseded" / step

    def extension(self, number: int) -> Path:
        return self.extensions / f"{number:04d}.json"

    def borders_of(self, layout: int) -> Path:
        return self.borders / f"{layout:04d}.json"

    def costs_of(self, layout: int) -> Path:
        return self.borders / f"{layout:04d}.costs.json"

    def submission(self, name: str) -> Path:
        return self.submissions / name / "submission.json"

    def jobs(self, submission: str) -> Path:
        return self.submissions / submission / "jobs.json"

    def closed(self, submission: str) -> Path:
        return self.submissions / submission / "closed"

    def failures(self, submission: str) -> Path:
        return self.submissions / submission / "failures"

    def attempts_at(self, chunk: int) -> Path:
        return self.attempts / bucket(chunk) / chunk_name(chunk)

    def partial_of(self, chunk: int) -> Path:
        return self.partial / bucket(chunk) / chunk_name(chunk)

    def done(self, chunk: int) -> Path:
        return self.dones / bucket(chunk) / f"{chunk_name(chunk)}.json"

    def part(self, part: str, table: str = ROWS) -> Path:
        """A table of a finished chunk; `part` is its name in the done record, `000/000042.<attempt>.parquet`."""
        return (self.parts if table == ROWS else self.tables / table) / part

    def log_folder(self, submission: str) -> Path:
        return self.logs / submission
