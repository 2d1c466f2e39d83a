"""Clips: a row a span that may be kept."""

from stages.core.schema.second import CLIP_SIGNALS
from stages.core.schema.types import INT, REAL, REALS, TEXT, Schema

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
