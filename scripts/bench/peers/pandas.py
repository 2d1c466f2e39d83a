"""What people run instead of `ingest`: a pandas script that reads whole files. bench_catalogue.py measures it.

It filters file by file, or, as scripts that were made for less data do, all files at once. It needs pandas, which
Reelmill does not: python -m venv /tmp/pandas && /tmp/pandas/bin/pip install pandas pyarrow

    /tmp/pandas/bin/python scripts/bench/peers/pandas.py FOLDER OUT.parquet [file_by_file|at_once]
"""

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

pandas: Any = importlib.import_module("pandas")


def tables(folder: Path) -> Iterator[Any]:
    """Each file, its columns named as in the later ones."""
    for file in sorted(folder.glob("*.parquet")):
        table = pandas.read_parquet(file)
        yield table if "source_language" in table else table.rename(columns={"language_id_method": "source_language"})


def kept(table: Any) -> Any:
    table = table[(table["original_language"] == "en") & (table["transcription_language"] == "en")]
    return table[table["word_count"] > 50]


def main(folder: Path, out: str, at_once: bool) -> None:
    if at_once:
        found = kept(pandas.concat(list(tables(folder)), ignore_index=True))
    else:
        found = pandas.concat([kept(table) for table in tables(folder)], ignore_index=True)
    found = found.drop_duplicates("video_id")
    found.to_parquet(out)
    print(f"{len(found):,} kept, pandas {pandas.__version__}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], "at_once" in sys.argv[3:])
