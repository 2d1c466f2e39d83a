"""What one decode gives of a video: a row a video, and its shots, transitions, freezes and frame times."""

import polars as pl

from stages.core.schema.types import FLAG, INT, PICTURE, REAL, TEXT, Schema

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
