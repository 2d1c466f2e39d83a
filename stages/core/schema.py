"""Table schemas: which columns travel between stages, with their types.

Times are seconds from the container's start. Every table of a step has the step's key column; the main table of a map
step also has `error` and `error_detail`, null for a good row.
"""

import polars as pl

Schema = dict[str, pl.DataType]
Row = dict[str, object]

TEXT = pl.String()
INT = pl.Int64()
REAL = pl.Float64()
REALS = pl.List(pl.Float32())
FLAG = pl.Boolean()

CATALOGUE: Schema = {
    "video_id": TEXT,
    "source": TEXT,
    "path": TEXT,
    "url": TEXT,
    "title": TEXT,
    "duration_s": REAL,
    "bytes": INT,
}

VIDEO: Schema = {
    "video_id": TEXT,
    "codec": TEXT,
    "pix_fmt": TEXT,
    "width_px": INT,
    "height_px": INT,
    "fps": REAL,
    "duration_s": REAL,
    "frames": INT,
    "has_audio": FLAG,
    "shots": INT,
    "freeze_share": REAL,
    "motion": REAL,
    "luma": REAL,
    "decode_errors": INT,
    "coverage": REAL,
}

SHOTS: Schema = {
    "video_id": TEXT,
    "shot": INT,
    "start_frame": INT,
    "end_frame": INT,
    "start_s": REAL,
    "end_s": REAL,
}

SIGNALS: Schema = {
    "video_id": TEXT,
    "second": INT,
    "luma": REAL,
    "sharpness": REAL,
    "motion": REAL,
    "frozen": REAL,
    "cut_score": REAL,
}

FREEZES: Schema = {"video_id": TEXT, "start_s": REAL, "end_s": REAL}

KEY_FRAMES: Schema = {
    "video_id": TEXT,
    "shot": INT,
    "position": TEXT,
    "time_s": REAL,
    "width_px": INT,
    "height_px": INT,
    "jpeg": pl.Binary(),
}

CLIP: Schema = {
    "clip_id": TEXT,
    "video_id": TEXT,
    "shot": INT,
    "start_s": REAL,
    "end_s": REAL,
    "duration_s": REAL,
    "fps": REAL,
    "motion": REALS,
    "luma": REALS,
    "sharpness": REALS,
    "frozen": REALS,
    "drop_reason": TEXT,
}
