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

FRAME_SCORES: Schema = {  # and those of BY_SCORER
    "frame_id": TEXT,
    "time_s": REAL,
    "models": TEXTS,  # of the scorers: name model@revision
}
BY_SCORER: dict[str, Schema] = {  # only of those that are asked, so that another step may give the others
    "aesthetic": {"aesthetic": REAL},  # about 1 to 10
    "watermark": {"watermark": REAL},  # probability, 0 to 1
    "nsfw": {"nsfw": REAL},  # probability, 0 to 1
    "open_nsfw": {"open_nsfw": REAL},  # probability, 0 to 1, by yahoo's model
    "similarity": {
        "similarity": REAL,  # cosine with the reference that is nearest, -1 to 1
        "similar_to": TEXT,  # its file's name
    },
    "embed": {"embedding": pl.List(pl.Float16())},  # unit vector
}

FRAME_TEXTS: Schema = {  # and those of BY_TASK
    "frame_id": TEXT,
    "time_s": REAL,
    "width_px": INT,  # of the picture that boxes are in
    "height_px": INT,
    "cut_short": TEXTS,  # tasks whose answer ran into max_tokens
    "models": TEXTS,  # name model@revision
}
BY_TASK: dict[str, Schema] = {  # likewise
    "caption": {"caption": TEXT},
    "detailed_caption": {"detailed_caption": TEXT},
    # box: left, top, right, bottom in pixels
    "dense_region_caption": {"regions": pl.List(pl.Struct({"label": TEXT, "box": pl.List(pl.Int64())}))},
    "ocr_with_region": {
        # of each text its four corners in pixels, x and y in turn, clockwise from the top left; confidence by rapidocr
        "texts": pl.List(pl.Struct({"text": TEXT, "corners": pl.List(pl.Int64()), "confidence": REAL})),
        "text_area": REAL,  # share of the picture under texts
    },
    "color": {"color": TEXT},
    "lighting": {"lighting": TEXT},
    "lighting_type": {"lighting_type": TEXT},
    "composition": {"composition": TEXT},
}
