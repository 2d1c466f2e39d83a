"""The configs of a dataset: which files each has, how they are loaded, and what is in them.

A config is what one package step made, in a folder of its own or, where there is only one, at the top. All of it is
written out in the card: from the names of folders a reader would guess splits, and leave out the others.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from slurm.errors import InputError
from slurm.record.manifest import Step
from stages.core.card.rows import sha256_by_shard
from stages.core.storage.walk import find_files

LOADED = {".parquet": "parquet", ".tar": "webdataset", ".csv": "csv", ".jsonl": "json", ".json": "json"}
PLACES = ("data", "videos")  # where the shards of formats lie
MOST_SIZES = {"n<1K": 1e3, "1K<n<10K": 1e4, "10K<n<100K": 1e5, "100K<n<1M": 1e6, "1M<n<10M": 1e7, "n>10M": 1e99}


class Release(NamedTuple):
    """A config: the package step, its rows (see rows.py), its folder in the dataset, and its files."""

    name: str
    step: Step
    beside: Sequence[Step]  # steps that say something of the same rows
    folder: str  # "" at the top
    rows: pl.DataFrame
    files: Mapping[str, Path]  # path in the dataset → file
    checksums: Mapping[str, str]  # path in the dataset → SHA-256, of those that package has measured

    @property
    def shards(self) -> list[str]:
        """The paths in the dataset of the files that hold rows."""
        return [self.place(name) for name in self.rows["shard"].unique().sort()]

    @property
    def suffix(self) -> str:
        return PurePosixPath(self.rows["shard"][0]).suffix.lower()

    @property
    def kind(self) -> str:
        """How it is read: parquet, webdataset, csv, json, or `files`, which no reader of datasets takes."""
        return LOADED.get(self.suffix, "files")

    @property
    def pattern(self) -> str:
        """Which files are its data."""
        return self.place(f"data/*/*{self.suffix}" if self.kind != "files" else "index/*/*.parquet")

    def place(self, path: str) -> str:
        return f"{self.folder}/{path}" if self.folder else path

    @property
    def bytes(self) -> int:
        """Of the files that hold rows."""
        return sum(self.files[shard].stat().st_size for shard in self.shards)

    @property
    def hours(self) -> float | None:
        lengths = self.rows["duration_s"]
        return None if lengths.null_count() == len(lengths) else float(lengths.sum()) / 3600


def folders_of(steps: Sequence[str], folders: Mapping[str, str] | None) -> dict[str, str]:
    """The folder of each package step in the dataset. Raises InputError where two would lie in one."""
    if unknown := sorted((folders or {}).keys() - set(steps)):
        raise InputError(f"folders: {unknown[0]!r} is no step that is published; these are: {', '.join(steps)}")
    alone = len(steps) == 1
    found = {name: (folders or {}).get(name, "" if alone else plain_name(name)).strip("/") for name in steps}
    for name, folder in found.items():
        parts = PurePosixPath(folder).parts
        if folder and (not re.fullmatch(r"[\w./+-]+", folder) or any(part.startswith(".") for part in parts)):
            raise InputError(f"folders.{name}={folder}: letters, digits, - _ + . and / make the name of a folder")
        for other in steps[: steps.index(name)]:
            lower, upper = sorted((f"{folder}/".lstrip("/"), f"{found[other]}/".lstrip("/")), key=len)
            if upper.startswith(lower):
                raise InputError(
                    f"two configs into one folder: {other} into {found[other] or 'the top'}, {name} into "
                    f"{folder or 'the top'}; readers would take the files of one for those of the other: "
                    f"say folders.{name}=OTHER"
                )
    return found


def plain_name(step: str) -> str:
    """A step's name as that of a config and a folder: `package@format=folder` has characters that none may have."""
    return re.sub(r"[^\w.-]+", "-", step).strip("-.") or "data"


def list_package(step: Step, folder: str, rows: pl.DataFrame) -> dict[str, Path]:
    """The files that a package step made, by their paths in the dataset: its shards and what tells of them.

    Raises InputError where one that its rows name is gone.
    """
    shards = set(rows["shard"])
    media = step.paths.media
    there = {Path(file).relative_to(media).as_posix(): Path(file) for file in find_files(media).files}
    if missing := sorted(shards - there.keys()):
        raise InputError(
            f"{step}: {len(missing)} of its {len(shards)} files are gone, the first is {missing[0]}: "
            f"overwrite={step.name} makes them again"
        )
    kept = {name: file for name, file in there.items() if name.partition("/")[0] not in PLACES or name in shards}
    return {f"{folder}/{name}" if folder else name: file for name, file in sorted(kept.items())}


def check_kinds(releases: Sequence[Release]) -> None:
    """Raises InputError where one repository cannot hold these configs: readers take all of it for one kind."""
    first = releases[0]
    for other in releases[1:]:
        if other.kind != first.kind:
            raise InputError(
                f"{first.step.name} is read as {first.kind}, {other.step.name} as {other.kind}: datasets reads all "
                f"configs of a repository as the first one; publish each in a step of its own (step=NAME hub.repo=…)"
            )


def checksums_of(step: Step, folder: str) -> dict[str, str]:
    return {f"{folder}/{name}" if folder else name: value for name, value in sha256_by_shard(step).items()}


def describe_configs(releases: Sequence[Release]) -> dict[str, Any]:
    """What the head of the card says of the configs: `configs`, and `dataset_info` with features and sizes."""
    configs, info = [], []
    for number, release in enumerate(releases):
        config: dict[str, Any] = {"config_name": release.name}
        if number == 0:
            config["default"] = True
        configs.append({**config, "data_files": [{"split": "train", "path": release.pattern}]})
        features = features_of(release)
        size = release.bytes
        split = {"name": "train", "num_bytes": size, "num_examples": len(release.rows)}
        sizes = {"splits": [split], "download_size": size, "dataset_size": size}
        info.append({"config_name": release.name, **({"features": features} if features else {}), **sizes})
    return {"configs": configs, "dataset_info": info}


def features_of(release: Release) -> list[dict[str, Any]] | None:
    """The columns of the data, as cards have them; None where a reader finds them out by itself."""
    if release.kind == "parquet":
        return list(describe_fields(pq.read_schema(release.files[release.shards[0]])))
    if release.kind == "csv":
        names = pl.scan_csv(release.files[release.shards[0]], infer_schema=False).collect_schema().names()
        numbers = {"total score", "video_time"}
        return [{"name": name, "dtype": "float64" if name in numbers else "string"} for name in names]
    return None


def describe_fields(fields: Iterable[pa.Field]) -> Iterator[dict[str, Any]]:
    for field in fields:
        yield {"name": field.name, **describe_type(field.type)}


def describe_type(kind: pa.DataType) -> dict[str, Any]:
    if pa.types.is_struct(kind):
        return {"struct": list(describe_fields(kind))}
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        inner = describe_type(kind.value_type)
        return {"list": inner.get("dtype") or inner.get("struct") or inner}
    return {"dtype": {"double": "float64", "float": "float32"}.get(str(kind), str(kind))}


def size_category(rows: int) -> str:
    return next(name for name, most in MOST_SIZES.items() if rows < most)
