"""Writes a dataset into a folder: the files of its packages, and all that is told of them."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import polars as pl

from slurm.errors import InputError
from slurm.record.manifest import Step
from stages.core.card.configs import (
    Release,
    check_kinds,
    checksums_of,
    folders_of,
    list_package,
    plain_name,
)
from stages.core.card.folder import link_files, remove_others, write_table, write_text
from stages.core.card.made import steps_before
from stages.core.card.plots import draw_plots
from stages.core.card.revisions import FILE, ROWS_FILE, Former, Revision, add_revision, hash_rows, write_revisions
from stages.core.card.rows import attribution_of, read_rows
from stages.core.card.sample import write_sample
from stages.core.card.settings import Card, Sample, Version
from stages.core.card.terms import Terms, check_biases, read_terms, sources_of, terms_of_sources
from stages.core.card.write import HOME, Facts, write_card


def read_releases(steps: Iterable[Step], folders: Mapping[str, str] | None) -> tuple[list[Release], list[Step]]:
    """What the package steps have made, a config each, and the steps beside them. Raises InputError where it cannot be
    one dataset.
    """
    packages: list[Step] = []
    beside: list[Step] = []
    for step in steps:
        (packages if "shard" in step.plan.gives else beside).append(step)
    if not packages:
        raise InputError(f"{', '.join(map(str, beside))} packs nothing: say after=STEP, a step of `package`")
    places = folders_of([step.name for step in packages], folders)
    alone = len(packages) == 1
    releases = [read_release(step, beside, places[step.name], alone=alone) for step in packages]
    if len({release.name for release in releases}) < len(releases):
        raise InputError(f"two configs of one name: {', '.join(release.name for release in releases)}")
    check_kinds(releases)
    return releases, beside


def read_release(step: Step, beside: Sequence[Step], folder: str, *, alone: bool) -> Release:
    rows = read_rows(step, beside)
    if rows.is_empty():
        raise InputError(f"{step} has no rows: there is nothing to publish")
    name = "default" if alone else plain_name(step.name)
    rows = rows.with_columns(config=pl.lit(name))
    return Release(name, step, beside, folder, rows, list_package(step, folder, rows), checksums_of(step, folder))


def write_dataset(
    folder: Path,
    releases: Sequence[Release],
    beside: Sequence[Step],
    former: Former,
    salt: str,
    *,
    replace: bool,
    repo: str | None,
    squashed: bool,
    card: Card,
    version: Version,
    sample: Sample,
    bins: int,
) -> tuple[list[Revision], set[str]]:
    """Writes the folder; gives the dataset's versions, this one last, and the hashes of its rows.

    Raises InputError for texts of a person that are missing or wrong, before anything is written.
    """
    attribution = attribution_of([release.rows for release in releases])
    hashes = hash_rows(attribution, salt)
    revisions = add_revision(former, version, hashes, replace)
    before = steps_before([*(release.step for release in releases), *beside])
    named = {name for release in releases for name in release.rows["source"].drop_nulls().unique()}
    sources = sources_of(before, named)
    alone = len(releases) == 1
    plots = draw_plots(releases, before, bins)
    facts = Facts(
        repo=repo,
        releases=releases,
        before=before,
        plots=plots,
        sample=sum(min(sample.rows, len(release.rows)) for release in releases),
        seed=sample.seed,
        sources=sorted(named) or list(sources),
        terms=[*terms_of_sources(sources, text_folder(card)), *own_terms(card)],
        biases=check_biases(card.biases, card.draft),
        revisions=revisions,
        squashed=squashed,
    )
    text = write_card(facts, card, version)
    names = [name for release in releases for name in release.files]
    for release in releases:
        link_files(folder, release.files)
        names += write_sample(release, folder, sample.rows, sample.seed, alone=alone)
    names += [write_text(folder, plot.path, plot.svg) for plot in plots]
    names.append(write_table(folder, ROWS_FILE, attribution))
    names.append(write_text(folder, FILE, write_revisions(revisions)))
    names.append(write_text(folder, "README.md", text))
    remove_others(folder, names)
    return revisions, hashes


def text_folder(card: Card) -> Path:
    """Where the terms of sources lie: the config's folder, if it has some of its own."""
    own = Path(card.folder).expanduser()
    return own if any(own.glob("source_*.md")) else HOME


def own_terms(card: Card) -> list[Terms]:
    return [] if card.terms is None else [read_terms(Path(card.terms).expanduser(), "card.terms")]
