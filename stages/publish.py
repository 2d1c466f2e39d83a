"""Publishes what package made: a dataset with its card, attribution, plots and a sample, in a folder and on the Hub.

Reads the package steps before it, and all that they were made of; writes the dataset into its folder `release`, uploads
it into a pull request of a dataset on the Hugging Face Hub, and merges that by one last call. Gives a row a config.

    python -m stages.publish run=NAME card.biases=FILE hub.repo=ORG/NAME
"""

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import polars as pl
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from slurm.errors import InputError
from slurm.record.manifest import Step
from stages.core.card.settings import Card, Sample, Version
from stages.core.command_line.start import main
from stages.core.hub.settings import Commits, Hub
from stages.core.runner.stage import Stage
from stages.core.schema.release import PUBLISHED

FOLDER = "release"


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Config:
    """Values are in conf/stage/publish.yaml."""

    upload: bool
    hub: Hub
    commits: Commits
    folders: dict[str, str] | None
    version: Version
    card: Card
    sample: Sample
    bins: Annotated[int, Field(gt=0)]


def check(config: Config) -> None:
    """Raises InputError for what can be told before submission."""
    from stages.core.card.terms import check_biases, read_terms

    check_biases(config.card.biases, config.card.draft)
    if config.card.terms is not None:
        read_terms(Path(config.card.terms), "card.terms")
    if config.hub.repo is not None and config.upload and config.version.date is None:
        raise InputError("version.date=2026-12-31: the day of this version, which its card tells, is to be said")


def files(config: Config) -> list[str]:
    """The texts of the card."""
    own = sorted(map(str, Path(config.card.folder).expanduser().glob("*.md")))
    return [*own, *(str(Path(path).expanduser()) for path in (config.card.biases, config.card.terms) if path)]


def run(steps: Mapping[str, Step], config: Config, folder: Path) -> dict[str, pl.DataFrame]:
    from stages.core.card.dataset import read_releases, write_dataset
    from stages.core.card.revisions import keep_history, read_history, read_published, read_salt
    from stages.core.hub.tree import check_files, list_tree

    check(config)
    releases, beside = read_releases(steps.values(), config.folders)
    history, commit = folder / "history", None
    salt = read_salt(history)
    upload = None
    if config.upload and config.hub.repo is not None:
        from stages.core.hub.upload import Upload

        upload = Upload(
            config.hub, config.commits, f"Version {config.version.name} of {folder.parent.name}/{folder.name}"
        )
        upload.open()
        with TemporaryDirectory(prefix="reelmill-") as place:
            upload.download_former(Path(place))
            former = read_published(Path(place), salt)
    else:
        former = read_history(history)
    revisions, hashes = write_dataset(
        folder / FOLDER,
        releases,
        beside,
        former,
        salt,
        replace=config.hub.replace,
        repo=config.hub.repo,
        squashed=config.hub.squash,
        card=config.card,
        version=config.version,
        sample=config.sample,
        bins=config.bins,
    )
    tree = list_tree(folder / FOLDER, {name: sha for release in releases for name, sha in release.checksums.items()})
    if upload is not None:
        commit = upload.publish(tree, [*former.configs, *(release.name for release in releases)])
    else:
        check_files(tree)
    keep_history(history, revisions, hashes)
    rows = [
        {
            "config": release.name,
            "folder": release.folder,
            "rows": len(release.rows),
            "hours": release.hours,
            "files": len(release.shards),
            "bytes": release.bytes,
            "version": config.version.name,
            "rows_added": revisions[-1].added,
            "rows_removed": revisions[-1].removed,
            "repository": config.hub.repo if upload else None,
            "commit": commit,
        }
        for release in releases
    ]
    return {"rows": pl.DataFrame(rows, PUBLISHED)}


STAGE = Stage(
    name="publish",
    kind="reduce",
    config=Config,
    run=run,
    gives=PUBLISHED,
    check=check,
    files=files,
    runtime_keys=("commits",),
    shows=FOLDER,
)

if __name__ == "__main__":
    main(STAGE)
