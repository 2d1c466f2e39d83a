"""Pairs of rows that are alike by each method (LINKS)."""

import numpy as np
import polars as pl

from stages.core.dedup.align import find_alike
from stages.core.dedup.clusters import Clustered, find_near
from stages.core.dedup.compared import Compared
from stages.core.dedup.groups import LINKS
from stages.core.dedup.moments import order_moments
from stages.core.dedup.settings import METHODS, Config, Method


def link_equal(compared: Compared) -> pl.DataFrame:
    """Rows of the same file, byte by byte, and the same span in it: each new one with the earliest."""
    files = pl.concat(
        [
            known.files.join(rows, on="id").select("row", "sha256", "start_s", "end_s")
            for rows, known in compared.numbered()
        ]
    )
    same = ("sha256", "start_s", "end_s")
    pairs = (
        files.filter(pl.col("sha256").is_not_null())
        .with_columns(earlier=pl.col("row").min().over(same))
        .filter(pl.col("row") != pl.col("earlier"), pl.col("row") >= compared.first)
        .select("earlier", later="row", score=pl.lit(1.0))
    )
    return link(pairs, "exact")


def link_alike(compared: Compared, config: Config) -> pl.DataFrame:
    """Rows that show the same in the same order."""
    moments = order_moments([(rows, known.moments) for rows, known in compared.numbered()])
    return link(find_alike(moments, compared.first, config.perceptual), "perceptual")


def link_near(compared: Compared, clustered: Clustered, config: Config) -> pl.DataFrame:
    """Rows whose embeddings are alike."""
    order = np.argsort(clustered.row, kind="stable")
    pairs = find_near(
        clustered.vectors[order], clustered.row[order], clustered.of[order], compared.first, config.semantic.cosine
    )
    return link(pairs, "semantic")


def link(pairs: pl.DataFrame, how: Method) -> pl.DataFrame:
    """The pairs with all columns of LINKS; unless they say otherwise they are covered wholly."""
    more = {"offset_s": None, "covered": 1.0}
    return (
        pairs.with_columns(pl.lit(value).alias(name) for name, value in more.items() if name not in pairs.columns)
        .with_columns(how=METHODS.index(how))
        .select(pl.col(name).cast(kind) for name, kind in LINKS.items())
    )


def between_videos(links: pl.DataFrame, videos: pl.Series, first: int) -> pl.DataFrame:
    """The links but those of two clips of one video; `videos` are those of the rows from number `first` on."""
    later, earlier = (links[name].to_numpy() - first for name in ("later", "earlier"))
    same = (videos.gather(later) == videos.gather(np.maximum(earlier, 0))) & pl.Series(earlier >= 0)
    return links.filter(~same.fill_null(False))
