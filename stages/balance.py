"""Chooses rows up to a number of hours, evenly over categories, few of each channel, the most active first.

Reads category, duration, channel and counts of the kept rows of the step before it: videos, or clips. Writes for each
row `rank` (its place in its category), and `chosen_by` or a `drop_reason`; and the table `categories`.

    chosen_by    rank: by its place; no_channel: so, as the only video of a channel that is not known; relaxed: passed
                 over at first, for other videos of its channel; keep: it is in the former release
    drop_reason  no_category, category_unknown, category_discarded, no_duration, no_channel, channel_damped,
                 channel_cap, video_cap, quota_full

    python -m stages.balance run=NAME hours=100
    python -m stages.balance -m run=NAME hours=100,200,400 seed=1,2
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

import polars as pl
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from slurm.errors import InputError
from slurm.record.files import replacing
from slurm.task.attempt import Output
from stages.core.balance.settings import Caps, Columns, Hours, Share, Weight
from stages.core.command_line.start import main
from stages.core.runner.stage import Former, Stage
from stages.core.runner.work import Rows
from stages.core.schema.types import INT, REAL, TEXT

SUMMARY = "summary.txt"


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Config:
    """Values are in conf/stage/balance.yaml."""

    hours: Hours | None
    seed: Annotated[int, Field(ge=0)]
    columns: Columns
    activity: dict[str, Weight]
    categories: str | None
    unknown: Literal["refuse", "pool"]
    shares: dict[str, Weight] | None
    alpha: Weight
    damping: Share
    relax: Literal["hours", "quotas", "never"]
    without_channel: Literal["alone", "drop"]
    caps: Caps
    keep: str | None


def columns(config: Config) -> list[str]:
    """The columns that it reads."""
    named = config.columns
    wanted = [named.category, named.duration_s, *named.channel, named.followers, *config.activity]
    return list(dict.fromkeys(name for name in wanted if name))


def known_categories(config: Config) -> list[str] | None:
    """The categories that there are; None: all that occur."""
    from stages.core.balance.eligible import POOL
    from stages.core.text.taxonomy import read_taxonomy

    if config.categories is None:
        return None
    return [*read_taxonomy(Path(config.categories)).labels, *([POOL] if config.unknown == "pool" else [])]


def run(rows: Rows, config: Config, former: Former) -> Iterator[Output]:
    from stages.core.balance.choose import KEEP, PASSED
    from stages.core.balance.eligible import find_wrong, judge
    from stages.core.balance.keep import find_kept
    from stages.core.balance.quotas import check_names
    from stages.core.balance.select import Target, select
    from stages.core.balance.tell import tell

    assert config.hours is not None
    shares = config.shares or {}
    new = rows.table.with_columns(fate=pl.lit(None, pl.UInt8))
    if config.keep is not None:
        kept = find_kept(new, rows.keys, config.keep)
        new = new.with_columns(fate=pl.when(kept).then(pl.lit(KEEP, pl.UInt8)))
    items = new
    if former.items is not None:
        chosen = pl.col("drop_reason").is_null() & pl.col("error").is_null()
        fates = former.tables["rows"].select(
            rows.keys[0], fate=pl.when(chosen).then(KEEP).otherwise(PASSED).cast(pl.UInt8)
        )
        decided = former.items.join(fates.collect(), on=rows.keys[0], how="left", maintain_order="left")
        items = pl.concat([decided, new])
    if several := [name for name, kind in items.schema.items() if isinstance(kind, pl.List)]:
        raise InputError(f"{several[0]}: a row has several of it; balance takes columns with one value a row")
    counts = [*config.activity, *([config.columns.followers] if config.columns.followers else [])]
    wrong = [
        f"{name}: {n:,} rows have a negative number or NaN, which counts as unknown"
        for name, n in find_wrong(items, counts).items()
    ]
    known = known_categories(config)
    judged = judge(
        items,
        config.columns,
        config.activity,
        known=known,
        discarded=[name for name, share in shares.items() if not share],
        unknown=config.unknown,
        without_channel=config.without_channel,
    )
    occurring = set(judged["category"].drop_nulls().unique())
    check_names(shares, occurring | {*(known or ())}, "what step `balance` reads")
    target = Target(
        config.hours, shares, config.alpha, config.activity, config.damping, config.relax, config.caps, config.seed
    )
    selection = select(items.select(*rows.keys, "fate").hstack(judged), rows.keys, known, target)
    sentences = [*wrong, *tell(selection.rows, judged["duration_us"], selection.categories, config.hours)]
    with replacing(rows.root / SUMMARY) as temporary:
        temporary.write_text("\n".join(sentences) + "\n")
    rows.note(hours=float(selection.categories["chosen_hours"].sum()))
    verdicts = rows.table.select(rows.keys).hstack(selection.rows.tail(len(rows.table)))
    categories = selection.categories.with_columns(extension=pl.lit(former.extension, INT))
    yield from rows.whole({"rows": verdicts, "categories": categories})


def check(config: Config) -> None:
    """Raises InputError for a target, shares, a taxonomy or a former release that cannot be."""
    from stages.core.balance.keep import read_former_choice
    from stages.core.balance.quotas import check_names

    if config.hours is None:
        raise InputError("hours: say how many hours are wanted: hours=100")
    known, shares = known_categories(config), config.shares or {}
    if known is not None:
        check_names(shares, known, str(config.categories))
        if not any(shares.get(name, 1.0) for name in known):
            raise InputError("shares: each is 0, so that all categories are discarded")
    if config.keep is not None:
        read_former_choice(config.keep)


def files(config: Config) -> list[str]:
    """Files whose content decides the result; of a step of a run its plan."""
    keep = config.keep
    former = [] if keep is None else [path for path in (Path(keep), Path(keep, "step.json")) if path.is_file()]
    return [*map(str, former), *([config.categories] if config.categories else [])]


STAGE = Stage(
    name="balance",
    kind="reduce",
    config=Config,
    run=run,
    gives={"activity": REAL, "rank": INT, "chosen_by": TEXT, "drop_reason": TEXT},
    needs=columns,
    tables={
        "categories": {
            "extension": INT,  # of the run, after which it was so; 0: the first time
            "category": TEXT,
            "supply_rows": INT,
            "supply_hours": REAL,
            "supply_channels": INT,
            "share_hours": REAL,  # of the target, by its share
            "quota_hours": REAL,  # with what other categories could not fill
            "chosen_rows": INT,
            "chosen_hours": REAL,
            "chosen_channels": INT,
            "missing_hours": REAL,  # of share_hours, where all was chosen that may be
            "kept_hours": REAL,  # of chosen_hours: in the former release
            "relaxed_rows": INT,
            "damped_rows": INT,
            "capped_rows": INT,
        }
    },
    check=check,
    files=files,
    shows=SUMMARY,
    continues=True,
    judges=True,
)

if __name__ == "__main__":
    main(STAGE)
