"""Table schemas: which columns travel between stages, with their types.

Times are seconds from the container's start. Every table of a step has the step's key column; the main table of a map
step also has `error` and `error_detail`, null for a good row.
"""

import polars as pl

Schema = dict[str, pl.DataType]
Row = dict[str, object]

TEXT = pl.String()
TEXTS = pl.List(pl.String())
INT = pl.Int64()
REAL = pl.Float64()
REALS = pl.List(pl.Float32())
FLAG = pl.Boolean()

# What is known of a video: by its catalogue first, by its site once it was downloaded. What is not known is null.
ABOUT: Schema = {
    "title": TEXT,
    "description": TEXT,
    "channel": TEXT,
    "channel_id": TEXT,
    "tags": TEXTS,
    "language": TEXT,  # as given: en, en-US
    "duration_s": REAL,
    "views": INT,
    "likes": INT,
    "comments": INT,
    "followers": INT,  # of the channel
    "upload_date": pl.Date(),
    "licence": TEXT,
    "transcript": TEXT,  # plain text
    "words": INT,  # of the transcript
}

CATALOGUE: Schema = {
    "video_id": TEXT,
    "source": TEXT,  # the list, dataset or folder that it is from
    "path": TEXT,  # of a local file, absolute
    "url": TEXT,  # see stages/core/fetch/kinds.py
    **ABOUT,
    "bytes": INT,
}

SPANS: Schema = {  # parts of a video that its catalogue names; times in the whole video
    "video_id": TEXT,
    "span_id": TEXT,
    "source": TEXT,  # the dataset that it is from
    "start_s": REAL,
    "end_s": REAL,
    "score": REAL,
    "raw_caption": TEXT,
    "refined_caption": TEXT,
    "rewritten_caption": TEXT,
    "orig_caption": TEXT,
    "orig_start_s": REAL,  # of the longer clip that the span was cut from
    "orig_end_s": REAL,
    "scene_cut": pl.List(pl.Int64()),  # first and last frame within that clip, as given; -1: its last
}

LEFT_OUT: Schema = {"reason": TEXT, "rows": INT}  # what a source has and the catalogue has not

FETCHED: Schema = {  # read from the file itself
    "path": TEXT,  # a local file, or an address in an object store
    "kind": TEXT,  # how it was fetched
    "bytes": INT,
    "sha256": TEXT,
    "container": TEXT,
    "codec": TEXT,
    "audio_codec": TEXT,
    "width_px": INT,
    "height_px": INT,
    "fps": REAL,
    "offset_s": REAL,  # where the file begins in the whole video
}

SUBTITLES: Schema = {"video_id": TEXT, "language": TEXT, "kind": TEXT, "start_s": REAL, "end_s": REAL, "text": TEXT}

INFO: Schema = {"video_id": TEXT, "extractor": TEXT, "format": TEXT, "info": pl.Binary()}  # info.json, zstd

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
