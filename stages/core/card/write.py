"""Writes the card of a dataset from what is known of it and the texts of conf/card/."""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl
from jinja2 import Environment, FileSystemLoader, StrictUndefined, TemplateError

from slurm.errors import InputError
from slurm.record.manifest import Step
from stages.core.card.configs import Release, describe_configs, size_category
from stages.core.card.made import models_of, thresholds_of
from stages.core.card.plots import Plot
from stages.core.card.revisions import Revision
from stages.core.card.settings import Card, Version
from stages.core.card.terms import Terms, merge_gates
from stages.core.report.charts import formatting
from stages.core.report.content.categories import count_untrained
from stages.core.report.flow.funnel import Flow, read_flow
from stages.core.report.flow.lineage import unit

MOST_REASONS, MOST_VALUES = 6, 30
LICENCES = {  # of sites and datasets → as the Hub names them
    "cc-by": "cc",
    "cc by": "cc",
    "creative commons attribution license (reuse allowed)": "cc-by-3.0",
    "creative commons attribution licence (reuse allowed)": "cc-by-3.0",
    "cc0": "cc0-1.0",
    "public domain": "cc0-1.0",
}
NAMED = re.compile(r"cc0-1\.0|cc-by(-nc)?(-sa|-nd)?-[1-4]\.0|mit|apache-2\.0")  # such names are the Hub's own


class Facts(NamedTuple):
    """All that a card tells beside what a person says in its config."""

    repo: str | None
    releases: Sequence[Release]
    before: Sequence[Step]  # the packages, and all that they were made of
    plots: Sequence[Plot]
    sample: int  # rows
    seed: int
    sources: Iterable[str]
    terms: Sequence[Terms]
    biases: str
    revisions: Sequence[Revision]
    squashed: bool


def write_card(facts: Facts, card: Card, version: Version) -> str:
    """The whole README.md. Raises InputError for a text of conf/card/ that is no template."""
    from huggingface_hub import DatasetCard, DatasetCardData

    title = card.title or (facts.repo or facts.before[0].run.name).rpartition("/")[2]
    texts = Texts([Path(card.folder).expanduser(), HOME])
    rows = pl.concat([release.rows for release in facts.releases], how="diagonal_relaxed")
    own = {"repo": facts.repo, "title": title, "version": version.name, "date": version.date, "authors": card.authors}
    key = re.sub(r"\W+", "_", title).strip("_").lower() or "dataset"
    body = texts.render(
        "card.md",
        title=title,
        draft=card.draft,
        summary=card.summary,
        standing=f"Made with Reelmill from {', '.join(map(cell, facts.sources)) or 'videos'}.",
        releases=[Shown(release) for release in facts.releases],
        usages=[(release, describe_usage(texts, release, facts)) for release in facts.releases],
        sample=facts.sample,
        seed=facts.seed,
        counted=list(count_values(rows)),
        plots=facts.plots,
        flows=[Passed(read_flow(step)) for step in facts.before],
        thresholds=[one for step in facts.before for one in thresholds_of(step)],
        models=[one for step in facts.before for one in models_of(step)],
        licences=count_licences(rows),
        terms=facts.terms,
        limits=[*limits_of(facts, rows), *bullets(texts.render("limits.md"))],
        biases=facts.biases,
        opt_out=texts.render("opt_out.md", contact=card.contact, **own),
        revisions=facts.revisions,
        history=describe_history(facts),
        citation=texts.render("citation.md", key=key, **own),
    )
    head = DatasetCardData(**describe_head(facts, card, rows, title)).to_yaml()
    return str(DatasetCard(f"---\n{head}\n---\n\n{body}\n"))


HOME = Path(__file__).parents[3] / "conf" / "card"


class Texts:
    """The templates of a card: those of the first folder that has them."""

    def __init__(self, folders: Sequence[Path]) -> None:
        loader = FileSystemLoader(folders)
        self._environment = Environment(
            loader=loader, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=False
        )
        own = {"cell": cell, "count": formatting.count, "bytes": bytes_in_words, "unit": unit, "tex": tex}
        self._environment.filters |= own

    def render(self, name: str, **values: Any) -> str:
        try:
            text = self._environment.get_template(name).render(**values)
        except TemplateError as error:
            raise InputError(f"card.folder: {name}: {type(error).__name__}: {error}") from error
        return re.sub(r"\n{3,}", "\n\n", text).strip()


class Shown:
    """A release as the card shows it."""

    def __init__(self, release: Release) -> None:
        self.name, self.step, self.rows = release.name, release.step, release.rows
        self.shards, self.hours = release.shards, release.hours
        self.bytes = release.bytes
        self.unmeasured = release.rows["duration_s"].null_count()


class Passed:
    """What became of a step's rows, in words."""

    def __init__(self, flow: Flow) -> None:
        self.step, self.rows_in, self.rows_out, self.kept = flow.step, flow.rows_in, flow.rows_out, flow.kept
        self.unit = flow.unit
        self.share = formatting.share(flow.kept.rows, flow.rows_out)
        self.length = formatting.length(flow.kept)
        said = [f"{loss.reason} {loss.amount.rows:,}" for loss in flow.losses]
        left = [f"{reason} {rows:,}" for reason, rows in flow.left_out.items()]
        said = [*said[:MOST_REASONS], *([f"{len(said) - MOST_REASONS} others"] if len(said) > MOST_REASONS else [])]
        self.reasons = ", ".join([*said, *(f"{one} (not in the catalogue)" for one in left)])


def describe_head(facts: Facts, card: Card, rows: pl.DataFrame, title: str) -> dict[str, Any]:
    """What stands in the YAML at the top."""
    licence = card.licence or common_licence(rows)
    named = {"license": licence} if licence else {"license": "other", "license_name": "that-of-each-row"}
    languages = card.language if card.language is not None else languages_of(rows)
    gates = merge_gates([terms.gate for terms in facts.terms])
    return {
        "pretty_name": title,
        **named,
        **({"license_link": "attribution.parquet"} if named["license"] == "other" else {}),
        **({"language": languages} if languages else {}),
        **({"task_categories": card.tasks} if card.tasks else {}),
        **({"tags": card.tags} if card.tags else {}),
        "size_categories": [size_category(len(rows))],
        **gates,
        **describe_configs(facts.releases),
    }


def languages_of(rows: pl.DataFrame) -> list[str]:
    """The languages of the rows, the most frequent first: codes of two or three letters."""
    codes = rows["language"].str.to_lowercase().str.extract(r"^([a-z]{2,3})(?:$|[-_])").drop_nulls()
    counted = codes.value_counts(name="rows").sort(["rows", codes.name], descending=[True, False])
    return counted[codes.name].to_list()


def common_licence(rows: pl.DataFrame) -> str | None:
    """The Hub's name of the licence that all rows have; None if they differ, or it has none."""
    licences = rows["licence"].unique().to_list()
    if len(licences) != 1 or licences[0] is None:
        return None
    said = licences[0].strip().lower()
    if said in LICENCES:
        return LICENCES[said]
    plain = re.sub(r"[ _]+", "-", said)
    return plain if NAMED.fullmatch(plain) else None


def count_licences(rows: pl.DataFrame) -> list[tuple[str, str, int]]:
    """source, licence, rows; of those that are not known `unknown`."""
    named = rows.select(pl.col("source", "licence").fill_null("unknown"))
    counted = (
        named.group_by("source", "licence")
        .len("rows")
        .sort(["rows", "source", "licence"], descending=[True, False, False])
    )
    return [(source, licence, count) for source, licence, count in counted.head(MOST_VALUES).iter_rows()]


def count_values(rows: pl.DataFrame) -> Iterable[tuple[str, list[tuple[str, int, str]]]]:
    """Rows and hours by category, source and language, where these are known; the most frequent first."""
    for column in ("category", "source", "language"):
        if rows[column].null_count() == len(rows):
            continue
        by = rows.group_by(pl.col(column).fill_null("unknown")).agg(
            rows=pl.len(), seconds=pl.col("duration_s").sum(), known=pl.col("duration_s").count()
        )
        by = by.sort(["rows", column], descending=[True, False])
        shown = [
            (value, count, f"{seconds / 3600:,.3g}" if known else formatting.UNKNOWN)
            for value, count, seconds, known in by.head(MOST_VALUES).iter_rows()
        ]
        more = len(by) - len(shown)
        yield column, shown + ([(f"and {more} more", int(by["rows"][MOST_VALUES:].sum()), "")] if more else [])


def limits_of(facts: Facts, rows: pl.DataFrame) -> Iterable[str]:
    """What is known to be wrong with these rows."""
    unlicensed, unaddressed = rows["licence"].null_count(), rows["url"].null_count()
    if unlicensed:
        yield f"Of {unlicensed:,} of {len(rows):,} rows no licence is known."
    if unaddressed:
        yield f"Of {unaddressed:,} of {len(rows):,} rows no public address is known."
    if nul := int(rows["nul"].sum()):
        yield f"The texts of {nul:,} {'row' if nul == 1 else 'rows'} held a NUL character, which was left out."
    for step in facts.before:
        if untrained := count_untrained(step):
            yield f"{untrained:,} rows of {cell(step.name)} were made by a model with random weights and mean nothing."


def bullets(text: str) -> list[str]:
    """The points of a list in Markdown."""
    return [point.strip() for point in re.split(r"^- ", text, flags=re.MULTILINE) if point.strip()]


def describe_history(facts: Facts) -> str:
    if not any(revision.removed for revision in facts.revisions):
        return "No version has had rows removed."
    if facts.squashed:
        return (
            "Older revisions of this repository were squashed: rows that were removed are in none that can be reached."
        )
    return "Older revisions of this repository still hold rows that were removed since: take the newest one."


def describe_usage(texts: Texts, release: Release, facts: Facts) -> str:
    """How this config is read: code that runs as it stands."""
    alone = len(facts.releases) == 1
    return texts.render(
        f"usage_{release.kind}.md",
        repo=facts.repo or "ORG/NAME",
        config="" if alone else f'name="{release.name}", ',
        pattern=release.pattern,
        folder=release.place(""),
        media=release.kind == "parquet" and has_media(release),
    )


def has_media(release: Release) -> bool:
    import pyarrow.parquet as pq

    return "mp4" in pq.read_schema(release.files[release.shards[0]]).names


def cell(text: object) -> str:
    """A text from the data as plain words of a table in Markdown: nothing in it means anything there."""
    plain = re.sub(r"[\x00-\x1f\x7f\u2028\u2029]+", " ", str(text)).encode(errors="replace").decode()
    return re.sub(r"[\\`*\[\]<>|~$]|&(?=#?\w+;)|(?<!\w)_|_(?!\w)", lambda mark: f"&#{ord(mark[0])};", plain).strip()


def tex(text: str) -> str:
    return re.sub(r"[{}\\%#]", "", text)


def bytes_in_words(size: int) -> str:
    power = next((power for power in (4, 3, 2, 1) if size >= 1000**power), 0)
    return f"{size / 1000**power:.3g} {('bytes', 'kB', 'MB', 'GB', 'TB')[power]}"
