"""Texts that models write of clips: captions, what was merged of their parts, and the concise prompts made of them."""

import polars as pl

from stages.core.schema.types import FLAG, INT, REAL, TEXT, Schema

DETAILS = ("short", "detailed", "motion", "camera", "background")  # a text each, of those that are asked for

DEFECTS = (  # questions of yes or no; conf/taxonomy/defects.yaml has their words
    "slide_show",
    "synthetic",
    "filtered",
    "added_text",
    "picture_in_picture",
    "artefacts",
    "distorted",
    "rotated",
    "low_resolution",
    "blurred_regions",
    "hardly_moves",
    "abrupt_camera",
    "fast_zoom",
    "unnatural_speed",
)

SAID: Schema = {
    **{f"caption_{detail}": TEXT for detail in DETAILS},  # null: not asked for
    **dict.fromkeys(DEFECTS, FLAG),  # null: not inspected
    "kind": TEXT,  # one of conf/taxonomy/kinds.yaml
}


def made(prefix: str) -> Schema:
    """The columns that tell how a text was made, and what it cost."""
    return {
        f"{prefix}_model": TEXT,
        f"{prefix}_revision": TEXT,
        f"{prefix}_prompt": TEXT,  # hash of the template
        f"{prefix}_tokens_in": INT,  # of all tries
        f"{prefix}_tokens_out": INT,
        f"{prefix}_tries": INT,
        f"{prefix}_s": REAL,  # from request to answer
        f"{prefix}_replica": TEXT,  # Slurm job of the server
    }


CAPTION: Schema = {
    "raw_caption": TEXT,  # what each part says: Caption 1: … Caption 2: …; of one part its text alone
    "caption_parts": INT,
    **SAID,  # texts in the same form; a defect: in any part; kind: the most frequent one
    **made("caption"),
}

PARTS: Schema = {  # a row a part of a clip
    "part": INT,
    "start_s": REAL,
    "end_s": REAL,
    "times_s": pl.List(pl.Float64()),  # of the frames that were shown to the model
    **SAID,
    "tokens_in": INT,
    "tokens_out": INT,
    "tries": INT,
    "latency_s": REAL,
    "replica": TEXT,
}

REFINED: Schema = {"refined_caption": TEXT, **made("refine")}

REWRITTEN: Schema = {
    "rewritten_caption": TEXT,
    "rewritten_tokens": INT,  # of the text encoder, its marks included
    **made("rewrite"),
}

MATCH: Schema = {
    "caption_match": REAL,  # mean cosine of the text and the frames, -1 to 1
    "match_frames": INT,
    "match_pieces": INT,  # in which the text was embedded: more than one where it is longer than the model reads
    "match_model": TEXT,  # model@revision
}
