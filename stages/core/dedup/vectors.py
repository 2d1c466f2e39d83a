"""One vector a row, of its frames' embeddings."""

import numpy as np
import polars as pl
from numpy.typing import NDArray

from slurm.errors import InputError
from stages.core.schema.dedup import VECTORS


def embedder(models: pl.Expr) -> pl.Expr:
    """The model of the embeddings, `embed model@revision`, among those of all scorers."""
    return models.list.eval(pl.element().filter(pl.element().str.starts_with("embed "))).list.first()


def mean_vectors(frames: pl.DataFrame) -> pl.DataFrame:
    """One unit vector an id (VECTORS): the mean direction of its frames' embeddings, a row a frame.

    Embeddings that are not finite, or zero, are left out, and ids without any other. Raises InputError for embeddings
    of several widths or models.
    """
    known = frames.filter(pl.col("embedding").is_not_null())
    for what, value in (("widths", pl.col("embedding").list.len()), ("models", pl.col("model"))):
        several = known.select(value.unique().sort()).to_series()
        if len(several) > 1:
            raise InputError(f"embeddings of several {what} cannot be compared: {', '.join(map(str, several))}")
    if known.is_empty():
        return pl.DataFrame(schema=VECTORS)
    values = as_matrix(known["embedding"])
    lengths = np.linalg.norm(values, axis=1)
    usable = np.isfinite(lengths) & (lengths > 0)
    ids = known.select("id", "model").filter(usable).with_columns(number=pl.col("id").rank("dense"))
    order = np.argsort(ids["number"].to_numpy(), kind="stable")
    begins = np.flatnonzero(np.diff(ids["number"].to_numpy()[order], prepend=0))
    units = (values[usable] / lengths[usable, None])[order]
    means = normalised(np.add.reduceat(units, begins, axis=0) if len(begins) else units)
    return ids[order[begins]].select("id", "model", embedding=as_lists(means)).select(*VECTORS)


def as_matrix(embeddings: pl.Series) -> NDArray[np.float32]:
    """Lists of the same length as float32 [rows, width]."""
    if not len(embeddings):
        return np.empty((0, 1), np.float32)
    values = embeddings.explode().cast(pl.Float32).to_numpy()
    return np.asarray(values, dtype=np.float32).reshape(len(embeddings), -1)


def as_lists(vectors: NDArray[np.float32]) -> pl.Series:
    """The rows of a matrix as lists of Float16."""
    width = vectors.shape[1]
    return pl.Series("embedding", vectors.astype(np.float16), pl.Array(pl.Float16, width)).cast(pl.List(pl.Float16))


def normalised(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Each row at length 1; a row of zeros stays."""
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True).clip(1e-9), dtype=np.float32)
