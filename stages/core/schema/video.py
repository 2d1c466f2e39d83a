"""What one decode gives of a video: a row a video, and its shots, transitions, freezes and frame times."""

import polars as pl

from stages.core.schema.second import LOOKS, MEASURED, video_columns
from stages.core.schema.types import FLAG, INT, REAL, TEXT, TEXTS, Schema

BORDERS: Schema = {  # black bars, as shares of the width or height
    "border_left": REAL,
    "border_top": REAL,
    "border_right": REAL,
    "border_bottom": REAL,
}

PICTURES: Schema = {
    "codec": TEXT,
    "pix_fmt": TEXT,
    "bit_depth": INT,  # of a sample: 8, or 10 or 12 as in HDR
    "transfer": TEXT,  # as ffmpeg names it: bt709, smpte2084 (PQ: HDR10), arib-std-b67 (HLG); null: not declared
    "primaries": TEXT,  # likewise: bt709, bt2020; null: not declared
    "width_px": INT,  # pixels as stored, turned as shown; a viewer sees width_px x sar by height_px
    "height_px": INT,
    "sar": REAL,  # width of a pixel by its height (sample aspect ratio), 1: square
    "fps": REAL,
}

VIDEO: Schema = {
    "video_id": TEXT,
    **PICTURES,
    "duration_s": REAL,
    "frames": INT,  # that a player shows
    "stored_frames": INT,  # those that an edit list hides, and those that cannot be decoded, as well
    "has_audio": FLAG,
    "shots": INT,
    "gradual": INT,  # gradual transitions between shots
    "freeze_share": REAL,
    **video_columns(MEASURED),  # means over time
    **BORDERS,
    "interlaced": REAL,  # share of the seconds in which the picture shows combing
    "decode_errors": INT,
    "coverage": REAL,  # share of the declared duration that was decoded
    "hwaccel": TEXT,  # null: decoded by the CPU
    "notes": TEXTS,  # what its header claims and is not so; null: nothing
}

SKIM: Schema = {  # what packets and sync frames tell of it
    "video_id": TEXT,
    **PICTURES,
    "duration_s": REAL,
    "has_audio": FLAG,
    "bits_per_s": REAL,
    "bits_per_pixel": REAL,
    "sync_every_s": REAL,  # mean time between sync frames
    "still": REAL,  # share of the time in which nothing moves: an estimate
    "still_least": REAL,  # what is sure
    "still_most": REAL,  # the most that it may be, but for grain and noise, which cost as much as motion does
    "motion": REAL,  # frame widths a second: an estimate, and what nine of ten videos lie between
    "motion_least": REAL,
    "motion_most": REAL,
    **video_columns(LOOKS),  # means over sync frames
    **BORDERS,
    "interlaced": REAL,  # share of the seconds in which a sync frame shows combing
    "decode_errors": INT,
    "coverage": REAL,  # share of the declared duration that could be read
    "notes": TEXTS,  # what its header claims and is not so; null: nothing
}

SHOTS: Schema = {
    "video_id": TEXT,
    "shot": INT,
    "start_frame": INT,
    "end_frame": INT,
    "start_s": REAL,
    "end_s": REAL,
    "start_score": REAL,  # of the transition before it; null for the first
    "hash": pl.UInt64(),  # perceptual hash of its middle key frame
}

HASH_VERSION = 1  # of HASHES: raised when the same picture gets another hash

HASHES: Schema = {  # of moments twice a second from the start of each shot on, or more where the picture changes
    "video_id": TEXT,
    "time_s": REAL,
    "hash": pl.UInt64(),  # a difference hash; see stages/core/video/measure/hashes.py
    "contrast": REAL,  # standard deviation of the brightness, 0 to 0.5
    "version": INT,  # HASH_VERSION
}

MIXED = 2  # most frames at a cut that mix both scenes: 24 frames a second made 60 leave two

CHANGES: Schema = {  # candidates for a cut or a gradual transition, those below the threshold too
    "video_id": TEXT,
    "kind": TEXT,  # cut or gradual
    "start_frame": INT,  # first frame that is not purely the shot before
    "end_frame": INT,  # first frame that is purely the shot after; of a cut without mixed frames the same
    "start_s": REAL,
    "end_s": REAL,
    "score": REAL,
    "taken": FLAG,  # SHOTS has a border here
}

TIMES: Schema = {  # presentation times of all frames, for videos of variable frame rate only
    "video_id": TEXT,
    "first_us": INT,
    "steps_us": pl.List(pl.Int64()),  # from each frame to the next
}

FREEZES: Schema = {"video_id": TEXT, "start_s": REAL, "end_s": REAL}
