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
PICTURE = pl.Binary()  # JPEG

# The signals of which a clip has the values of its seconds.
CLIP_SIGNALS = ("motion", "moving", "camera", "object", "luma", "contrast", "black", "sharpness", "colour", "frozen")

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
    "gradual": INT,  # changes from shot to shot that are no cuts
    "freeze_share": REAL,
    "motion": REAL,  # means over time of what SIGNALS has
    "motion_median": REAL,  # of the speeds of the pixels
    "motion_p90": REAL,
    "moving": REAL,
    "camera": REAL,
    "object": REAL,
    "luma": REAL,
    "contrast": REAL,
    "black": REAL,
    "white": REAL,
    "sharpness": REAL,
    "colour": REAL,
    "border_left": REAL,  # black bars, as shares of the width or height
    "border_top": REAL,
    "border_right": REAL,
    "border_bottom": REAL,
    "interlaced": REAL,  # share of the seconds whose picture is combed
    "decode_errors": INT,
    "coverage": REAL,
    "hwaccel": TEXT,  # null: decoded by the CPU
}

SHOTS: Schema = {
    "video_id": TEXT,
    "shot": INT,
    "start_frame": INT,
    "end_frame": INT,
    "start_s": REAL,
    "end_s": REAL,
    "start_score": REAL,  # of the change before it; null for the first
    "hash": pl.UInt64(),  # perceptual, of its middle
}

CHANGES: Schema = {  # every place that might be a border of shots, also those below the threshold
    "video_id": TEXT,
    "kind": TEXT,  # cut or gradual
    "start_frame": INT,  # first that is no longer the old shot
    "end_frame": INT,  # first that is only the new shot; of a cut the same frame
    "start_s": REAL,
    "end_s": REAL,
    "score": REAL,
    "taken": FLAG,  # the shots were made with it
}

TIMES: Schema = {  # when each frame is shown, of videos whose frames are not evenly spaced
    "video_id": TEXT,
    "first_us": INT,
    "steps_us": pl.List(pl.Int64()),  # from each frame to the next
}

SIGNALS: Schema = {
    "video_id": TEXT,
    "second": INT,
    "luma": REAL,  # 0 black, 1 white
    "contrast": REAL,
    "black": REAL,  # shares of the picture
    "white": REAL,
    "sharpness": REAL,
    "colour": REAL,
    "motion": REAL,  # frame widths a second: mean of all pixels
    "moving": REAL,  # share of the picture that moves
    "camera": REAL,  # widths a second: what moves the whole picture
    "object": REAL,  # what moves beside that
    "frozen": REAL,  # share of the second
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
    "jpeg": PICTURE,
}

CLIP: Schema = {
    "clip_id": TEXT,
    "video_id": TEXT,
    "shot": INT,
    "start_frame": INT,
    "end_frame": INT,
    "start_s": REAL,
    "end_s": REAL,
    "duration_s": REAL,
    "fps": REAL,
    **dict.fromkeys(CLIP_SIGNALS, REALS),
    "drop_reason": TEXT,
}
