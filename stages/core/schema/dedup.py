"""What tells duplicates, and which of them are kept: tables of `dedup`, in which `id` is that of a clip or a video."""

import polars as pl

from stages.core.schema.types import INT, REAL, TEXT, Schema

GROUP: Schema = {
    "group": TEXT,  # the id of the row that is kept
    "duplicate_of": TEXT,  # null: it is kept. Where drop_reason begins with leaked, the id is one of another dataset
    "how": TEXT,  # exact, perceptual or semantic
    "score": REAL,  # as in PAIRS
    "cluster": INT,  # of its embedding
    "cluster_size": INT,
    "cluster_distance": REAL,  # 1 - cosine with the centroid
    "note": TEXT,  # why it could not be compared by a method
    "drop_reason": TEXT,  # duplicate.HOW, or leaked.HOW
}

PAIRS: Schema = {
    "a": TEXT,  # the better row, or that of another dataset
    "b": TEXT,
    "how": TEXT,
    "score": REAL,  # share of the shorter one's moments that are alike; cosine; 1 where files are the same
    "offset_s": REAL,  # when b begins in a
    "leaked": pl.Boolean(),  # a is of another dataset
}

MOMENTS: Schema = {
    "id": TEXT,
    "time_s": REAL,  # from the row's start
    "hash": pl.UInt64(),
    "version": INT,  # HASH_VERSION
}

FILES: Schema = {"id": TEXT, "sha256": TEXT, "start_s": REAL, "end_s": REAL}  # of a clip its span in the file

VECTORS: Schema = {"id": TEXT, "model": TEXT, "embedding": pl.List(pl.Float16())}  # unit vectors

CENTROIDS: Schema = {"cluster": INT, "centroid": pl.List(pl.Float32())}
