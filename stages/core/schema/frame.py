"""Key frames: a row a picture."""

import polars as pl

from stages.core.schema.types import INT, PICTURE, REAL, TEXT, TEXTS, Schema

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

FRAME_SCORES: Schema = {  # null: by a scorer that was not asked
    "frame_id": TEXT,
    "time_s": REAL,
    "aesthetic": REAL,  # about 1 to 10
    "watermark": REAL,  # probability, 0 to 1
    "nsfw": REAL,  # probability, 0 to 1
    "open_nsfw": REAL,  # probability, 0 to 1, by yahoo's model
    "similarity": REAL,  # cosine with the reference that is nearest, -1 to 1
    "similar_to": TEXT,  # its file's name
    "embedding": pl.List(pl.Float16()),  # unit vector
    "models": TEXTS,  # of the scorers: name model@revision
}

FRAME_TEXTS: Schema = {  # null: what was not asked
    "frame_id": TEXT,
    "time_s": REAL,
    "width_px": INT,  # of the picture that boxes are in
    "height_px": INT,
    "caption": TEXT,
    "detailed_caption": TEXT,
    "regions": pl.List(pl.Struct({"label": TEXT, "box": pl.List(pl.Int64())})),  # left, top, right, bottom in pixels
    # of each text its four corners in pixels, x and y in turn, clockwise from the top left; confidence by rapidocr only
    "texts": pl.List(pl.Struct({"text": TEXT, "corners": pl.List(pl.Int64()), "confidence": REAL})),
    "text_area": REAL,  # share of the picture under texts
    "color": TEXT,
    "lighting": TEXT,
    "lighting_type": TEXT,
    "composition": TEXT,
    "cut_short": TEXTS,  # tasks whose answer ran into max_tokens
    "models": TEXTS,  # name model@revision
}
