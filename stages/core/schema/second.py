"""The signals: what is measured in every second of a video."""

from stages.core.schema.types import INT, REAL, TEXT, Schema

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

# The signals of which a clip has the values of its seconds.
CLIP_SIGNALS = ("motion", "moving", "camera", "object", "luma", "contrast", "black", "sharpness", "colour", "frozen")
