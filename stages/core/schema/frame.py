"""Key frames: a row a picture."""

from stages.core.schema.types import INT, PICTURE, REAL, TEXT, Schema

SYNC_FRAMES: Schema = {
    "video_id": TEXT,
    "time_s": REAL,
    "width_px": INT,
    "height_px": INT,
    "jpeg": PICTURE,
}

KEY_FRAMES: Schema = {
    "video_id": TEXT,
    "shot": INT,
    "position": TEXT,
    "time_s": REAL,
    "width_px": INT,
    "height_px": INT,
    "jpeg": PICTURE,
}
