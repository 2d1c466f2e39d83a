"""Of many rows some are looked at: of every source, of every reason, the same ones each time."""

from collections.abc import Callable

import polars as pl

from slurm.record.manifest import Step
from stages.core.report.content.sample import FEW, read_outcomes
from stages.core.report.content.spread import choose_rows
from stages.core.report.flow.sources import read_sources

Make = Callable[..., Step]


def many(make: Make) -> list[Step]:
    """A video with two thirds of the clips, many with one, three of another source; two rows lost for rare reasons."""
    short = FEW // 2
    videos = ["long", *(f"w{n}" for n in range(3)), *(f"v{n}" for n in range(short))]
    sources = ["a", *["b"] * 3, *["a"] * short]
    ingest = make("ingest", pl.DataFrame({"video_id": videos, "source": sources}), kind="reduce", item_keys=[])
    owners = [*["long"] * FEW, *videos[1:]]
    spans = pl.DataFrame({"clip_id": [f"c{n:06d}" for n in range(len(owners))], "video_id": owners})
    split = make("split", spans.with_columns(start_s=0.0, end_s=5.0, duration_s=5.0), ("ingest",))
    number = pl.int_range(pl.len())
    reason = pl.when(number == 17).then(pl.lit("rare.min")).when(number % 2 == 0).then(pl.lit("often.min"))
    late = pl.when(number == pl.len() - 5).then(pl.lit("encode_failed"))
    judged = spans.with_columns(drop_reason=reason, error=late)
    return [ingest, split, make("filter", judged, ("split",))]


def test_every_source_and_reason_is_there_and_it_is_the_same_again(make: Make) -> None:
    steps = many(make)
    sources = read_sources(steps)
    rows = read_outcomes(steps[-1], sources)
    assert len(rows) < FEW
    assert set(rows["source"]) == {"a", "b"}
    assert set(rows["reason"]) == {None, "rare.min", "often.min", "encode_failed"}
    assert rows.equals(read_outcomes(steps[-1], sources))
    assert 1 <= len(rows.filter(pl.col("video_id") == "long")) < 100  # not two thirds
    verdicts = steps[-1].scan()
    assert verdicts is not None
    known = verdicts.select(id="clip_id", was=pl.coalesce("error", "drop_reason")).collect()
    assert rows.join(known, on="id").filter(pl.col("reason").ne_missing(pl.col("was"))).is_empty()
    shown = choose_rows(rows, 24)
    assert shown.filter(pl.col("reason").is_null())["video_id"].n_unique() == 12
    assert set(shown["source"]) == {"a", "b"}
    assert {"rare.min", "encode_failed", "often.min"} <= set(shown["reason"])


def test_of_few_rows_all_are_looked_at(make: Make) -> None:
    spans = pl.DataFrame({"clip_id": ["a", "b"], "video_id": ["v", "v"], "start_s": [0.0, 1.0], "end_s": [1.0, 2.0]})
    rows = read_outcomes(make("split", spans))
    assert rows.select("id", "reason", "source").rows() == [("a", None, None), ("b", None, None)]
