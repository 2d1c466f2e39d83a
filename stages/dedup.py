"""Duplicates out: of rows that are the same by their files, pictures or embeddings, the best one is kept.

Rows are videos or clips. Reads the columns and tables that its methods need: `sha256` (download), the table hashes
(analyze), `embedding` (score_frames). Writes for every row its group (the id of the row that is kept) and why it is
dropped; the table pairs, of all rows that were found alike; and of the rows that are kept the tables hashes, files,
vectors and centroids, with which later ones are compared, those of another run included (`against`).

    python -m stages.dedup run=NAME
    python -m stages.dedup run=NAME after=analyze 'methods=[exact,perceptual]' against=[eval_hashes.parquet]
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from slurm.errors import InputError
from slurm.task.attempt import Output
from stages.core.command_line.start import main
from stages.core.dedup.settings import METHODS, Config
from stages.core.runner.stage import Former, Stage
from stages.core.runner.work import Rows
from stages.core.schema.dedup import CENTROIDS, FILES, GROUP, MOMENTS, PAIRS, VECTORS


def needs(config: Config) -> Sequence[str]:
    """The columns that the methods look at."""
    columns = {"exact": ("sha256",), "semantic": ("embedding", "models")}
    return [name for method in config.methods for name in columns.get(method, ())]


def run(rows: Rows, config: Config, former: Former) -> Iterator[Output]:
    from stages.core.dedup.find import find_duplicates

    hashes = rows.side("hashes") if "perceptual" in config.methods else None
    yield from rows.whole(find_duplicates(rows.table, rows.keys, hashes, config, former.tables))


def files(config: Config) -> list[str]:
    """The files that tell what the other datasets are: they themselves, or the plans of steps."""
    places = [Path(place).expanduser() for place in config.against]
    return [str(file) for place in places for file in (place, place / "step.json") if file.is_file()]


def check(config: Config) -> None:
    """Raises InputError for what can be told before submission."""
    from stages.core.dedup.against import read_against

    if not config.methods:
        raise InputError(f"methods=[]: say what makes two rows the same, any of {', '.join(METHODS)}")
    read_against(config)


STAGE = Stage(
    name="dedup",
    kind="reduce",
    config=Config,
    run=run,
    gives=GROUP,
    needs=needs,
    takes=(
        *("start_s", "end_s", "duration_s", "width_px", "height_px"),
        *("bytes", "fps", "frames", "bits_per_s", "upload_date"),
    ),
    reads=lambda config: ["hashes"] if "perceptual" in config.methods else [],
    tables={
        "pairs": PAIRS,
        "hashes": MOMENTS,
        "files": FILES,
        "vectors": VECTORS,
        "centroids": CENTROIDS,
    },
    check=check,
    files=files,
    continues=True,
    judges=True,
    missing={
        "sha256": "methods has exact: let `download` run before it, which gives them, or leave exact out of methods",
        "hashes": "methods has perceptual: let `analyze` run before it, which gives them (overwrite=analyze where "
        "an older version made it), or leave perceptual out of methods",
        "embedding": "methods has semantic: let `score_frames` with scorers=[embed] run before it and say "
        "'after=[filter,score_frames]', or leave semantic out of methods",
    },
)

if __name__ == "__main__":
    main(STAGE)
