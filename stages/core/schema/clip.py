"""Clips: a row a span that may be kept, and what is measured on it."""

from stages.core.schema.catalogue import SPANS
from stages.core.schema.second import CLIP_SIGNALS
from stages.core.schema.types import FLAG, INT, REAL, REALS, TEXT, TEXTS, Schema

SPAN: Schema = {"start_frame": INT, "end_frame": INT, "start_s": REAL, "end_s": REAL}

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
    "cut_score_max": REAL,  # largest score of a possible cut within it, 0: none that analyze kept (from 0.25 on)
    "gradual_score_max": REAL,  # the same of gradual transitions
    "merged_unlike": REAL,  # largest share of the picture that differs at a border that was merged; null: none was
    **dict.fromkeys(CLIP_SIGNALS, REALS),
    # static, pan_left, pan_right, tilt_up, tilt_down, zoom_in, zoom_out, roll, shaking, or mixed: goes one way, then
    # another; null: not measured (the list `camera` has the camera's speeds)
    "camera_move": TEXT,
    "drop_reason": TEXT,
}

OF_SPAN: Schema = {  # of a clip that is a span of the catalogue: what that says of it; times in the whole video
    **{name: SPANS[name] for name in SPANS if name not in ("video_id", "source", "start_s", "end_s")},
    "span_source": TEXT,  # the dataset that names it
    "span_start_s": REAL,
    "span_end_s": REAL,
    "border_inside": FLAG,  # analyze found a border of shots between these
    "outside_s": REAL,  # so much of it is not in the file
}

CROP_BOX: Schema = {  # in pixels of the picture as displayed, all even; null: the whole picture
    "crop_x_px": INT,
    "crop_y_px": INT,
    "crop_width_px": INT,
    "crop_height_px": INT,
}

CROP: Schema = {
    **CROP_BOX,
    "crop_share": REAL,  # of the picture's area that is left, 0 to 1
    "crop_why": TEXTS,  # some of bars, logo (all that stands still), text (by OCR); empty: the whole picture is left
}

CLIP_FLOW: Schema = {  # of a clip, or of a whole video
    "flow": REAL,  # mean of `flows`; null: it is shorter than the time between two frames
    "flow_pairs": INT,
    "flows": REALS,  # of each pair of frames: mean optical flow in pixels, of frames of 960 x 520
    "flow_model": TEXT,  # dis, or raft's weights: name@hash
}
