"""What a download gives: a row a video, as read from its file; subtitles, and what its site says of it."""

import polars as pl

from stages.core.schema.types import INT, REAL, TEXT, TEXTS, Schema

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
    "loss": TEXT,  # subtitles_failed: they could not be had for now, and `resume` tries them again; null: all is there
    "notes": TEXTS,  # what its site says and no column holds, subtitles that were passed over; null: nothing
}

SUBTITLES: Schema = {"video_id": TEXT, "language": TEXT, "kind": TEXT, "start_s": REAL, "end_s": REAL, "text": TEXT}

INFO: Schema = {"video_id": TEXT, "extractor": TEXT, "format": TEXT, "info": pl.Binary()}  # info.json, zstd
