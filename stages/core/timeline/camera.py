"""Names how the camera moves in a clip, by what `analyze` measured of it in each of the clip's seconds."""

import polars as pl

PARTS = ("pan_x", "pan_y", "zoom", "roll")  # signals, in frame widths a second
# The names of a part above 0 and below 0.
NAMES = {
    "pan_x": ("pan_right", "pan_left"),
    "pan_y": ("tilt_down", "tilt_up"),
    "zoom": ("zoom_in", "zoom_out"),
    "roll": ("roll", "roll"),
}
STILL = 0.005  # frame widths a second; the slowest pan of the made films has 0.01, still ones with grain up to 0.0001
ONE_WAY = 0.7  # share of the camera's speed that must be left in its mean motion, else it goes back and forth
# Share of the speed that is left in each second's mean; to and fro along a sine leaves it from a period of 3.5 s on. A
# steady shaking at analyze's motion.per_s looks slower than it is.
SLOW = 0.9


def name_move(whole: pl.Expr) -> pl.Expr:
    """The camera's move over a group of seconds: a name of NAMES, static, shaking, mixed, or null without any value.

    Aggregates the columns `camera` (mean speed) and PARTS (with signs). static: the speed is below STILL. A name: most
    of the speed goes one way, and this part is the largest of that. Else the camera comes back: shaking if it turns
    within the seconds, mixed if it turns between them, say a pan to the right and then one to the left.

    `whole`: whether a second lies in the clip with all its length. If any does, the others do not count: part of what
    was measured in them is the shot beside the clip.
    """
    counts = (whole & pl.col("camera").is_not_null()) | ~(whole & pl.col("camera").is_not_null()).any()
    speed = pl.col("camera").filter(counts).mean()
    mean = {part: pl.col(part).filter(counts).mean() for part in PARTS}
    one_way = sum((value**2 for value in mean.values()), pl.lit(0.0)).sqrt()
    in_seconds = sum((pl.col(part) ** 2 for part in PARTS), pl.lit(0.0)).sqrt().filter(counts).mean()
    largest = pl.max_horizontal(value.abs() for value in mean.values())
    named = pl.coalesce(
        pl.when(mean[part].abs() == largest).then(pl.when(mean[part] > 0).then(pl.lit(plus)).otherwise(pl.lit(minus)))
        for part, (plus, minus) in NAMES.items()
    )
    return (
        pl.when(speed.is_null() | largest.is_null())
        .then(pl.lit(None, pl.String()))
        .when(speed < STILL)
        .then(pl.lit("static"))
        .when(one_way >= ONE_WAY * speed)
        .then(named)
        .when(in_seconds >= SLOW * speed)
        .then(pl.lit("mixed"))
        .otherwise(pl.lit("shaking"))
    )
