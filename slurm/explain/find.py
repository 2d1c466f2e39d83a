"""What an id of a run names: a row of one of its tables, by a key, by a path or URL, or by the file that it has."""

import os
from collections.abc import Iterable, Iterator, Sequence
from difflib import get_close_matches
from pathlib import Path

import polars as pl

from slurm.errors import InputError
from slurm.explain.walk import Item, walk
from slurm.record.manifest import Step, steps
from slurm.removals import removed_since

ADDRESSES = ("path", "url")  # columns by which a row may be named, beside its key and its file in the media folder
MOST_SOURCES = 3  # rows of a source with whose key the id begins: these are followed
NEAR = 5  # ids that are named where there is no such one
NEIGHBOURS = 300  # ids on either side of an unknown one, by their beginnings and by their ends


def find(run: Path, text: str) -> Item:
    """The item that `text` names. Raises InputError, with the nearest ids, if it names none or several.

    A row is looked for in the sources, then among what was made of their rows whose key the id begins with, as ids
    mostly do; else in every part of a step whose ids are made otherwise.
    """
    known = [Step(run, name) for name in steps(run)]
    sources = [step for step in known if not step.plan.inputs and step.plan.keys]
    path = os.path.expanduser(text)  # noqa: PTH111 (pathlib's raises for a ~ that is no user)
    names = list(dict.fromkeys([text, os.path.abspath(path), os.path.realpath(path)]))  # noqa: PTH100
    for step in sources:
        if (rows := step.scan()) is not None and (found := _named(step, rows, names)):
            return found
    made: list[str] = []
    for item in _beginnings(sources, [text, Path(text).stem]):
        for visit in walk(run, item):
            if not visit.column or not len(visit.rows):
                continue
            if found := _named(visit.step, visit.rows.lazy(), names):
                return found
            made += visit.rows[visit.step.plan.key].to_list()
    for step in _to_search(known, "/" in text):
        if (rows := step.scan()) is not None and (found := _named(step, rows, names)):
            return found
    if removal := removed_since(run, text):
        raise InputError(f"{text!r} was taken out of run {run.name} for good, on {removal.date}")
    near = get_close_matches(text, dict.fromkeys(made), NEAR) or _nearest(sources, text)
    what = "no key, path or URL of its rows is that"
    raise InputError(f"no {text!r} in run {run.name}: {what}" + (f"; nearest: {', '.join(near)}" if near else ""))


def _named(step: Step, rows: pl.LazyFrame, names: Sequence[str]) -> Item | None:
    """The row of a step that has one of these names. Raises InputError if there are several."""
    keys, gives = step.plan.keys, step.plan.gives
    columns = [step.plan.key, *(name for name in ADDRESSES if gives.get(name) == "String")]
    fits = [pl.col(column).is_in(names) for column in columns]
    if media := step.plan.media:
        fits.append(pl.col(media).is_in(names))
        inside = [Path(name) for name in names if Path(name).is_relative_to(step.paths.media)]
        # a run may lie elsewhere by now than when it was made
        fits += [pl.col(media).str.ends_with(f"/media/{path.relative_to(step.paths.media)}") for path in inside]
    found = rows.filter(pl.any_horizontal(fits)).select(keys).unique(maintain_order=True).head(NEAR + 1).collect()
    exact = found.filter(pl.col(keys[0]).is_in(names))
    found = exact if len(exact) else found
    if len(found) > 1:
        several = ", ".join(map(str, found[keys[0]].head(NEAR)))
        raise InputError(f"{names[0]!r} names several rows of {step}: say which by id=, e.g. {several}")
    if not len(found):
        return None
    value, *above = map(str, found.row(0))
    return Item(keys[0], value, dict(zip(keys[1:], above, strict=True)))


def _beginnings(sources: Iterable[Step], texts: Sequence[str]) -> Iterator[Item]:
    """The rows of sources with whose key one of these texts begins, the longest keys first."""
    for step in sources:
        rows, key = step.scan(), step.plan.key
        if rows is not None:
            begins = [pl.lit(text).str.starts_with(pl.col(key)) for text in dict.fromkeys(texts)]
            found = rows.filter(pl.any_horizontal(begins), pl.col(key) != "").select(step.plan.keys).unique().collect()
            for value, *above in found.sort(pl.col(key).str.len_bytes(), key, descending=True)[:MOST_SOURCES].rows():
                yield Item(key, value, dict(zip(step.plan.keys[1:], above, strict=True)))


def _to_search(known: Sequence[Step], by_address: bool) -> Iterator[Step]:
    """The steps of which every part may have to be opened."""
    seen: set[str] = set()
    for step in known:
        plan = step.plan
        addressed = by_address and (plan.media or any(name in plan.gives for name in ADDRESSES))
        if plan.inputs and plan.keys and (addressed or (plan.key not in seen and not _begin_alike(step))):
            yield step
        seen.update(plan.keys)


def _begin_alike(step: Step) -> bool:
    """Whether the ids of a step begin with those of the rows that they were made of, as in its first rows."""
    rows, (key, *above) = step.scan(), step.plan.keys
    if rows is None or not above:
        return False
    first = rows.select(pl.col(key).str.starts_with(pl.col(above[-1]))).head(1000).collect().to_series()
    return bool(first.all())


def _nearest(sources: Iterable[Step], text: str) -> list[str]:
    """The ids of sources that hold this text, or whose path or URL does; else those that are spelled most like it."""
    holding: list[str] = []
    alike: set[str] = set()
    for step in sources:
        if (rows := step.scan()) is None:
            continue
        key = step.plan.key
        columns = [key, *(name for name in ADDRESSES if step.plan.gives.get(name) == "String")]
        holds = pl.any_horizontal(pl.col(column).str.contains(text, literal=True) for column in columns)
        holding += rows.filter(holds).select(key).head(NEAR).collect().to_series().to_list()
        for column in [] if holding else columns if "/" in text else [key]:
            ids = rows.select(column).collect().to_series().drop_nulls().unique()
            ends = ids.str.reverse().sort()
            alike |= _beside(ids.sort(), text) | {other[::-1] for other in _beside(ends, text[::-1])}
    return list(dict.fromkeys(holding))[:NEAR] or get_close_matches(text, sorted(alike), NEAR, cutoff=0.5)


def _beside(ordered: pl.Series, text: str) -> set[str]:
    place = int(ordered.search_sorted(text))
    return set(ordered[max(0, place - NEIGHBOURS) : place + NEIGHBOURS])
