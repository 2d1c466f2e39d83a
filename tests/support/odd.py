"""Catalogues of good videos with one odd thing among them, of every kind that was met in real lists."""

import csv
import json
import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

Row = dict[str, Any]
LONG = "9" * 5000
DEEP = "[" * 100_000

ADDRESSES = {  # kind → an address at which nothing can be
    "long name": f"/data/{'x' * 300}.mp4",
    "long path": "/data" + "/a" * 3000,
    **{
        scheme: f"{scheme}://place/a.mp4"
        for scheme in ("dbfs", "reference", "dir", "data", "sftp", "ssh", "smb", "gdrive")
    },
    "chained": "simplecache::s3://bucket/a.mp4",
    "two in one": "s3://bucket/a.mp4::file:///etc/hostname",
    "offset": f"zip://a.mp4::https://e.org/x.zip#offset={LONG}&packed=1&size=1&crc=1&parts=1",
    "cell": f"parquet://mp4@{LONG}::/data/x.parquet",
    "no file": "zip://a.mp4",
    "no host": "https:///a.mp4",
    "bracket": "https://[e.org/a.mp4",
    "port": "https://e.org:port/a.mp4",
    "colons": "sftp://" + ":" * 80_000,
}
VALUES: dict[str, tuple[str, str]] = {  # kind → a column and a text that is none of its values
    "time": ("duration_s", "1:75"),
    "infinite": ("duration_s", "inf"),
    "negative": ("duration_s", "-1"),
    "count": ("views", "many"),
    "huge count": ("views", "1e30"),
    "digits": ("views", LONG),
    "date": ("upload_date", "2021-13-01"),
    "deep tags": ("tags", DEEP),
    "tags of digits": ("tags", f"[{LONG}]"),
    "torn tags": ("tags", '["a'),
}
CSV_LINES = {
    "open quote": '{url},"5 inch single,1,2,a,20200101',
    "open quote last": '{url},title,1,2,a,"20200101',
    "one field more": "{url},a,b,1,2,a,20200101",
}
JSON_LINES = {
    "torn": '{{"url": "{url}", "title": "a',
    "not an object": '["{url}"]',
    "binary": "PAR1\x00\x01",
    "deep": '{{"url": "{url}", "tags": ' + DEEP,
    "trailing comma": '{{"url": "{url}",}}',
}


class Odd(NamedTuple):
    """What to ingest, the addresses of its good rows, and the error codes that the odd one may have."""

    path: Path
    good: list[str]
    codes: set[str]
    kind: str


def make_odd(folder: Path, seed: int, rows: int = 200) -> Odd:
    """A list or folder of `rows` videos, of which one is odd; kind, format and place follow from the seed."""
    chosen = random.Random(seed)
    table: list[Row] = [
        {
            "url": f"https://e.org/{number}.mp4",
            "title": f'The "{number}", a film',
            "duration_s": "1:02",
            "views": str(number),
            "tags": "a, b",
            "upload_date": "20200101",
        }
        for number in range(rows)
    ]
    place = chosen.randrange(rows)
    makers: list[Callable[..., Odd]] = [odd_address, odd_value, odd_csv_line, odd_json_line, torn_end, odd_name]
    return makers[seed % len(makers)](folder, table, place, chosen)


def odd_address(folder: Path, table: list[Row], place: int, chosen: random.Random) -> Odd:
    kind = chosen.choice(sorted(ADDRESSES))
    table[place]["url"] = ADDRESSES[kind]
    return written(folder, table, place, chosen, f"address: {kind}")


def odd_value(folder: Path, table: list[Row], place: int, chosen: random.Random) -> Odd:
    kind = chosen.choice(sorted(VALUES))
    column, value = VALUES[kind]
    table[place][column] = value
    return written(folder, table, place, chosen, f"value: {kind}")


def odd_csv_line(folder: Path, table: list[Row], place: int, chosen: random.Random) -> Odd:
    kind = chosen.choice(sorted(CSV_LINES))
    file = folder / "list.csv"
    write_csv(file, table[:place])
    bad = CSV_LINES[kind].format(url=table[place]["url"])
    rest = folder / "rest.csv"
    write_csv(rest, table[place + 1 :])
    file.write_text(file.read_text() + bad + "\n" + rest.read_text().partition("\n")[2])
    rest.unlink()
    return Odd(file, others(table, place), {"bad_line"}, f"csv: {kind}")


def odd_json_line(folder: Path, table: list[Row], place: int, chosen: random.Random) -> Odd:
    kind = chosen.choice(sorted(JSON_LINES))
    lines = [json.dumps(row) for row in table]
    lines[place] = JSON_LINES[kind].format(url=table[place]["url"])
    (folder / "list.jsonl").write_text("\n".join(lines) + "\n")
    return Odd(folder / "list.jsonl", others(table, place), {"bad_line", "bad_value"}, f"jsonl: {kind}")


def torn_end(folder: Path, table: list[Row], place: int, chosen: random.Random) -> Odd:
    """A list whose last line was cut off somewhere before its end."""
    suffix, last = chosen.choice(["csv", "jsonl"]), len(table) - 1
    file = folder / f"list.{suffix}"
    if suffix == "csv":
        write_csv(file, table)
    else:
        file.write_text("".join(json.dumps(row) + "\n" for row in table))
    head, _, end = file.read_text().rstrip("\n").rpartition("\n")
    whole = end.rpartition(",")[0] if suffix == "csv" else end[:-1]  # with less than this it is no row
    file.write_text(f"{head}\n{end[: chosen.randrange(1, len(whole))]}")
    return Odd(file, others(table, last), {"bad_line"}, f"torn {suffix}")


def odd_name(folder: Path, table: list[Row], place: int, chosen: random.Random) -> Odd:
    """A folder with a file whose name is not UTF-8."""
    films = folder / "films"
    films.mkdir()
    for number in range(len(table)):
        name = f"{number}.mp4".encode() if number != place else b"caf\xe9.mp4"
        Path(os.fsdecode(os.fsencode(films) + b"/" + name)).touch()
    good = [str(films / f"{number}.mp4") for number in range(len(table)) if number != place]
    return Odd(films, good, {"bad_value"}, "name")


def written(folder: Path, table: list[Row], place: int, chosen: random.Random, kind: str) -> Odd:
    """The table as a list of any format."""
    suffix = chosen.choice(["csv", "tsv", "jsonl", "parquet"])
    file = folder / f"list.{suffix}"
    if suffix == "parquet":
        pl.DataFrame(table).write_parquet(file)
    elif suffix == "jsonl":
        file.write_text("".join(json.dumps(row) + "\n" for row in table))
    else:
        write_csv(file, table, "\t" if suffix == "tsv" else ",")
    return Odd(file, others(table, place), {"bad_value"}, f"{kind} in {suffix}")


def write_csv(file: Path, table: list[Row], separator: str = ",") -> None:
    columns = ["url", "title", "duration_s", "views", "tags", "upload_date"]
    with file.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, columns, delimiter=separator, lineterminator="\n")
        writer.writeheader()
        writer.writerows(table)


def others(table: list[Row], place: int) -> list[str]:
    return [str(row["url"]) for number, row in enumerate(table) if number != place]
