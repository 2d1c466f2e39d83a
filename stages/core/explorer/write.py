"""The explorer: a folder of static files in which a run is looked at row by row, from disk or from any web host.

index.html, *.css, *.js    the page, and what it runs
data/index.js              what the page has to know at first
data/cards/…               what the grid shows of some rows      data/texts/…     what a search looks at
data/columns/…             a column each, to filter by              data/details/…   all of some rows
posters/…                  small pictures of some rows in one
"""

import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from slurm.record.manifest import Step
from stages.core.explorer.chunks import chunk_path, dump, write_chunk, write_json
from stages.core.explorer.details import make_details
from stages.core.explorer.gather import Block, read_blocks, spool_tables
from stages.core.explorer.index import Index
from stages.core.explorer.items import BLOCK_ROWS, OUTCOMES, list_items
from stages.core.explorer.layout import Layout, lay_out, rules_of
from stages.core.explorer.media import Places, find_places, origins
from stages.core.explorer.posters import write_posters
from stages.core.explorer.spool import Spool
from stages.core.storage.scratch import scratch_folder

PAGE = Path(__file__).parent / "page"
CARD_ROWS = 256
DETAIL_ROWS, DETAIL_CHARS = 64, 1 << 18  # of a chunk of details, whichever is reached first
SEARCH_CHARS = (200, 1000)  # of a row that a search looks at: so few of many rows, so many of few …
ALL_CHARS = 250_000_000  # … for the browser holds all of them
LINE_CHARS = 160


def write_explorer(folder: Path, steps: Sequence[Step], posters: int, media_base: str | None) -> int:
    """Writes the explorer of finished steps into a folder, in place of what is there; gives the number of its rows."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    layout = lay_out(steps)
    for left in folder.parent.glob(f".{folder.name}.*"):  # of an attempt that was killed
        shutil.rmtree(left, ignore_errors=True)
    with (
        tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent) as place,
        tempfile.TemporaryDirectory(dir=scratch_folder()) as spooled,
    ):
        made, items = Path(place) / "made", list_items(layout)
        pictured = write_posters(made, layout, items, posters)
        items = items.with_columns(pictured=pl.col("row").is_in(pictured))
        spool = Spool(Path(spooled))
        spool_tables(layout, items, spool)
        places, run = find_places(folder, media_base, layout.steps), folder.absolute().parents[1].name
        index = Index(made / "data", layout, len(items))
        known = write_data(made / "data", index, layout, read_blocks(layout, items, spool), places)
        write_chunk(made / "data" / "index.js", {**known, "run": run})
        write_page(made, run, media_base)
        if folder.exists():
            folder.rename(Path(place) / "old")
        made.rename(folder)
    return len(items)


def write_data(data: Path, index: Index, layout: Layout, blocks: Iterator[Block], places: Places) -> dict[str, Any]:
    """Writes the chunks; gives what the page has to know of them."""
    details, clips, outcomes = 0, 0, [0] * len(OUTCOMES)
    chars = max(SEARCH_CHARS[0], min(SEARCH_CHARS[1], ALL_CHARS // max(1, index.rows)))
    for block in blocks:
        index.add(block.items)
        write_chunk(data / chunk_path("texts", block.number), search_texts(block.items, layout, chars).to_list())
        numbers: list[int] = []
        for number, some in in_groups(map(dump, make_details(block, layout, places)), details):
            write_json(data / chunk_path("details", number), f"[{','.join(some)}]")
            numbers += [number] * len(some)
        rows = zip(block.items.iter_rows(named=True), numbers, strict=True)
        write_cards(data, [make_card(row, layout, place) for row, place in rows], block.number)
        details = numbers[-1] + 1
        clips += int(block.items["clip"].sum())
        for outcome, count in block.items["outcome"].value_counts().iter_rows():
            outcomes[outcome] += count
    return {
        "rows": sum(outcomes),
        "clips": clips,
        "outcomes": dict(zip(OUTCOMES, outcomes, strict=True)),
        "cards": CARD_ROWS,
        "texts": BLOCK_ROWS,
        "steps": [describe_step(step) for step in layout.steps],
        **index.tell(),
    }


def write_cards(data: Path, cards: list[list[Any]], block: int) -> None:
    for start in range(0, len(cards), CARD_ROWS):
        number = block * (BLOCK_ROWS // CARD_ROWS) + start // CARD_ROWS
        write_chunk(data / chunk_path("cards", number), cards[start : start + CARD_ROWS])


def in_groups(details: Iterator[str], number: int) -> Iterator[tuple[int, list[str]]]:
    """Details in groups that are quickly loaded, numbered from `number` on."""
    group: list[str] = []
    chars = 0
    for detail in details:
        if group and (len(group) == DETAIL_ROWS or chars + len(detail) > DETAIL_CHARS):
            yield number, group
            group, number, chars = [], number + 1, 0
        group.append(detail)
        chars += len(detail)
    if group:
        yield number, group


def make_card(row: dict[str, Any], layout: Layout, detail: int) -> list[Any]:
    """What the grid shows of a row: id, title, outcome, reason, length, start, a line of text, poster, its details."""
    line = next((row[name] for name in layout.captions if row.get(name)), row.get("category")) or ""
    start_s, length_s = (row.get(name) for name in ("start_s", "duration_s"))
    title = (row.get("title") or row["id"])[:LINE_CHARS]
    return [
        *(row["id"], title, row["outcome"], row["reason"], None if length_s is None else round(length_s, 2)),
        *(
            round(start_s, 2) if row["clip"] and start_s is not None else None,
            line[:LINE_CHARS],
            int(row["pictured"]),
            detail,
        ),
    ]


def search_texts(items: pl.DataFrame, layout: Layout, chars: int) -> pl.Series:
    """What a search looks at: names, categories, captions, then as much of the longer texts as is left."""
    first, last = (
        ("id", "title", "channel", "category", "site_categories"),
        ("annotation_title", "tags", "description", "transcript"),
    )
    names = [name for name in (*first, *layout.captions, *last) if name in items.columns]
    joined = pl.concat_str([pl.col(name).str.slice(0, chars) for name in names], separator="\n", ignore_nulls=True)
    return items.select(joined.str.slice(0, chars).str.normalize("NFKC").str.to_lowercase()).to_series()


def limit_words(rule: Mapping[str, Any]) -> str:
    """What a rule asks of its value, in words: min 0.002."""
    keys = ("min", "max", "above", "below", "equals", "in", "matches")
    known = {key: rule[key] for key in keys if rule.get(key) is not None}
    return ", ".join(
        f"{key} {value:g}" if isinstance(value, float) else f"{key} {value}" for key, value in known.items()
    )


def describe_step(step: Step) -> dict[str, Any]:
    """What the page says of a step: its name, its stage, and the limits of its rules."""
    rules = {name: limit_words(rule) for name, rule in rules_of(step).items()}
    return {"name": step.name, "stage": step.plan.stage, "inputs": step.plan.inputs, "rules": rules}


def write_page(folder: Path, run: str, media_base: str | None) -> None:
    """Copies the page's own files; none of them has a part that data decides but the page's title and policy."""
    environment = Environment(
        loader=FileSystemLoader(PAGE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    scripts = sorted(path.name for path in PAGE.glob("*.js"))
    page = environment.get_template("page.html.j2").render(run=run, scripts=scripts, media=origins(media_base))
    for path in [*PAGE.glob("*.js"), *PAGE.glob("*.css")]:
        shutil.copyfile(path, folder / path.name)
    (folder / "index.html").write_text(page, encoding="utf-8")
