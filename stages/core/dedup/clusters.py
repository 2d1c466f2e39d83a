"""Rows whose embeddings are alike: k-means, then cosines inside a cluster (SemDeDup, Abbas et al. 2023)."""

from collections.abc import Mapping
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from slurm.errors import InputError
from stages.core.dedup.compared import Compared
from stages.core.dedup.settings import Config
from stages.core.dedup.vectors import as_matrix, normalised
from stages.core.schema.dedup import CENTROIDS
from stages.core.schema.types import INT, REAL, TEXT, Schema

Vectors = NDArray[np.float32]
Numbers = NDArray[np.int64]

NEAR: Schema = {"later": INT, "earlier": INT, "score": REAL}
OF_ROWS: Schema = {"id": TEXT, "cluster": INT, "cluster_size": INT, "cluster_distance": REAL}
MOST = 64  # rows that are taken for like another one: the best of them are enough
AT_ONCE = 4096  # rows that are compared at once
LEARNT = 256  # rows a cluster from which the clusters are learnt


class Clustered(NamedTuple):
    """The rows that have a vector: their numbers, unit vectors [n, width] and clusters."""

    row: Numbers
    vectors: Vectors
    of: Numbers
    rows: pl.DataFrame  # OF_ROWS, of the new ones
    centroids: pl.DataFrame  # CENTROIDS where they are new


def cluster(compared: Compared, former: Mapping[str, pl.LazyFrame], config: Config) -> Clustered:
    """All rows with a vector in clusters: those of before, where there are any. Raises InputError.

    Nothing where the method was not asked.
    """
    none, row, vectors = pl.DataFrame(schema=CENTROIDS), np.empty(0, np.int64), np.empty((0, 1), np.float32)
    if "semantic" not in config.methods:
        return Clustered(row, vectors, row, pl.DataFrame(schema=OF_ROWS), none)
    check_same(compared.foreign.vectors, compared.new.vectors, "against")
    check_same(compared.former.vectors, compared.new.vectors, "rows kept before")
    parts = [known.vectors.join(rows, on="id", maintain_order="left") for rows, known in compared.numbered()]
    every = pl.concat(parts).sort("row")
    row, vectors = every["row"].to_numpy(), normalised(as_matrix(every["embedding"]))
    known = former["centroids"].sort("cluster").collect() if "centroids" in former else none
    if known.height:
        centroids, made = as_matrix(known["centroid"]), none
    else:
        centroids = learn(vectors, config.semantic.clusters, config.semantic.rounds)
        made = pl.DataFrame({"cluster": np.arange(len(centroids)), "centroid": centroids.tolist()}, schema=CENTROIDS)
    of, distance = nearest(vectors, centroids)
    told = every.select("id", "row", cluster=pl.Series(of), cluster_distance=pl.Series(distance)).with_columns(
        cluster_size=pl.len().over("cluster")
    )
    new = told.filter(pl.col("row") >= compared.first).select(pl.col(name).cast(kind) for name, kind in OF_ROWS.items())
    return Clustered(row, vectors, of, new, made)


def check_same(known: pl.DataFrame, own: pl.DataFrame, what: str) -> None:
    """Raises InputError where embeddings (VECTORS) are of another model or width, and so cannot be compared."""
    for name, value in (("model", pl.col("model")), ("width", pl.col("embedding").list.len())):
        theirs, ours = (table.select(value.unique().sort()).to_series().to_list() for table in (known, own))
        if known.height and own.height and theirs != ours:
            raise InputError(f"{what}: embeddings of {name} {theirs[0]}, those of this run are of {ours[0]}")


def learn(vectors: Vectors, count: int | None, rounds: int) -> Vectors:
    """The centroids of `count` clusters of unit vectors by cosine; None: the square root of their number.

    They are learnt from LEARNT rows a cluster at even distances. The first centroids are such rows, too, so the same
    rows in the same order give the same clusters.
    """
    number = min(len(vectors), count or max(1, round(len(vectors) ** 0.5)))
    if not number:
        return vectors
    learnt = vectors[spread(len(vectors), number * LEARNT)]
    centroids = learnt[spread(len(learnt), number)].copy()
    for _ in range(rounds):
        of, _ = nearest(learnt, centroids)
        order = np.argsort(of, kind="stable")
        begins = np.flatnonzero(np.diff(of[order], prepend=-1))
        sums = np.add.reduceat(learnt[order], begins, axis=0)
        moved = centroids.copy()  # of an empty cluster the centroid stays
        moved[of[order][begins]] = normalised(sums)
        if np.array_equal(moved, centroids):
            break
        centroids = moved
    return centroids


def spread(count: int, most: int) -> Numbers:
    """At most so many of `count` places, at even distances."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(np.int64))


def nearest(vectors: Vectors, centroids: Vectors) -> tuple[Numbers, Vectors]:
    """Of each row the nearest centroid, and 1 - cosine with it."""
    of, distance = np.empty(len(vectors), np.int64), np.empty(len(vectors), np.float32)
    for begin in range(0, len(vectors), AT_ONCE):
        cosine = vectors[begin : begin + AT_ONCE] @ centroids.T
        of[begin : begin + AT_ONCE] = cosine.argmax(axis=1)
        distance[begin : begin + AT_ONCE] = 1 - cosine.max(axis=1)
    return of, distance


def find_near(vectors: Vectors, rows: Numbers, clusters: Numbers, first: int, cosine: float) -> pl.DataFrame:
    """Pairs of rows in one cluster with at least this cosine: `later` (from number `first` on), `earlier`, `score`.

    `rows` are the numbers of the vectors' rows, growing.
    """
    found = [pl.DataFrame(schema=NEAR)]
    order = np.argsort(clusters, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(clusters[order])) + 1, len(order)) if len(order) else order
    for begin, end in pairwise([0, *ends]):
        own = order[begin:end]
        asked = own[rows[own] >= first]
        for low in range(0, len(asked), AT_ONCE):
            part = asked[low : low + AT_ONCE]
            alike = vectors[part] @ vectors[own].T
            near = (alike >= cosine) & (rows[own][None] < rows[part][:, None])
            near &= np.cumsum(near, axis=1) <= MOST
            later, earlier = np.nonzero(near)
            columns = {"later": rows[part][later], "earlier": rows[own][earlier], "score": alike[later, earlier]}
            found.append(pl.DataFrame(columns, schema=NEAR, strict=False))
    return pl.concat(found).sort("later", "earlier")
