"""From the rows of a step and what is known of them to verdicts: what is alike, and which of it is kept."""

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from stages.core.dedup.against import read_against
from stages.core.dedup.clusters import cluster
from stages.core.dedup.compared import Compared, length_s, look_up, read_former
from stages.core.dedup.groups import choose_kept, rank
from stages.core.dedup.links import between_videos, link_alike, link_equal, link_near
from stages.core.dedup.order import order_rows
from stages.core.dedup.settings import METHODS, Config
from stages.core.schema.dedup import GROUP, PAIRS

Numbers = NDArray[np.int64]

NAMES = dict(enumerate(METHODS))
LACKS = ("no sha256", "no picture that tells anything", "no usable embedding")  # a method each


def find_duplicates(
    table: pl.DataFrame,
    keys: Sequence[str],
    hashes: pl.DataFrame | None,
    config: Config,
    former: Mapping[str, pl.LazyFrame],
) -> dict[str, pl.DataFrame]:
    """The tables of `dedup`; `table` has the rows, `hashes` analyze's table, `former` the tables of the rows before.

    The order of `table` decides nothing but that of the rows. Raises InputError for what cannot be compared.
    """
    items = order_rows(table.with_columns(id=pl.col(keys[0])), config.prefer)
    compared = Compared(read_against(config), read_former(former), look_up(items, hashes, config), items["id"])
    clustered = cluster(compared, former, config)
    links = pl.concat([link_equal(compared), link_alike(compared, config), link_near(compared, clustered, config)])
    if not config.within_video and "video_id" in items.columns:
        links = between_videos(links, items["video_id"], compared.first)
    lengths_s = np.concatenate([np.zeros(compared.first), length_s(items)])
    order = rank(links, lengths_s, compared.first, config.whole)
    dropped = choose_kept(links, order, compared.foreign_rows, compared.first, config.perceptual.share)
    judged = (
        judge(compared, dropped)
        .join(note(compared, config), on="id", how="left")
        .join(clustered.rows, on="id", how="left")
    )
    kept = judged.filter(pl.col("drop_reason").is_null()).select("id")
    moments, files, vectors = (
        own.join(kept, on="id", how="semi", maintain_order="left") for own in compared.new.tables()
    )
    return {
        "rows": table.select(keys)
        .join(judged, left_on=keys[0], right_on="id", how="left", maintain_order="left")
        .select(*keys, *GROUP),
        "pairs": name_pairs(compared, links, order),
        "hashes": moments,
        "files": files,
        "vectors": vectors,
        "centroids": clustered.centroids,
    }


def judge(compared: Compared, dropped: pl.DataFrame) -> pl.DataFrame:
    """Of each new row, by `id`, its group and why it is dropped."""
    ids = compared.ids
    how = pl.col("how").replace_strict(NAMES, return_dtype=pl.String)
    why = pl.when(pl.col("kept") < compared.foreign_rows).then(pl.lit("leaked.")).otherwise(pl.lit("duplicate."))
    found = dropped.select(
        "score", how=how, drop_reason=why + how, id=ids[dropped["row"]], duplicate_of=ids[dropped["kept"]]
    )
    judged = pl.DataFrame({"id": compared.new_ids}).join(found, on="id", how="left", maintain_order="left")
    return judged.with_columns(group=pl.coalesce("duplicate_of", "id"))


def note(compared: Compared, config: Config) -> pl.DataFrame:
    """Why rows could not be compared by a method: `id`, `note`."""
    words = [
        pl.when(~pl.col("id").is_in(table["id"].unique().implode())).then(pl.lit(lack))
        for method, lack, table in zip(METHODS, LACKS, compared.new.by_method(), strict=True)
        if method in config.methods
    ]
    noted = pl.DataFrame({"id": compared.new_ids}).with_columns(
        note=pl.concat_str(words, separator="; ", ignore_nulls=True)
    )
    return noted.with_columns(note=pl.when(pl.col("note") != "").then("note"))


def name_pairs(compared: Compared, links: pl.DataFrame, order: Numbers) -> pl.DataFrame:
    """The links as PAIRS has them, in the order of their rows."""
    later, earlier = (links[name].to_numpy() for name in ("later", "earlier"))
    turned = order[later] < order[earlier]
    better, worse = np.where(turned, later, earlier), np.where(turned, earlier, later)
    placed = np.lexsort((links["how"].to_numpy(), order[worse], order[better]))
    return links.select(
        "score",
        a=compared.ids[better],
        b=compared.ids[worse],
        how=pl.col("how").replace_strict(NAMES, return_dtype=pl.String),
        offset_s=pl.when(pl.Series(turned)).then(-pl.col("offset_s")).otherwise("offset_s"),
        leaked=pl.Series(better < compared.foreign_rows),
    )[placed].select(*PAIRS)
