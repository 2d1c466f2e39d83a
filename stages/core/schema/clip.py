"""Clips: a row a span that may be kept, and what is measured on it."""

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

CLIP_FLOW: Schema = {  # of a clip, or of a whole video
    "flow": REAL,  # mean of `flows`; null: it is shorter than the time between two frames
    "flow_pairs": INT,
    "flows": REALS,  # of each pair of frames: mean optical flow in pixels, of frames of 960 x 520
    "flow_model": TEXT,  # dis, or raft's weights: name@hash
}
