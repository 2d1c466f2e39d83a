"""What a source tells of its videos: a row a video, the spans that it names, and what it left out."""

import polars as pl

from stages.core.schema.types import INT, REAL, TEXT, TEXTS, Schema

# What is known of a video: by its catalogue first, by its site once it was downloaded. What is not known is null.
ABOUT: Schema = {
    "title": TEXT,
    "description": TEXT,
    "channel": TEXT,
    "channel_id": TEXT,
    "tags": TEXTS,
    "site_categories": TEXTS,  # those that its site, or whoever put it there, has filed it under
    "language": TEXT,  # as given: en, en-US
    "duration_s": REAL,
    "views": INT,
    "likes": INT,
    "comments": INT,
    "followers": INT,  # of the channel
    "age_limit": INT,  # years that one has to have to watch it; 0: everybody may
    "upload_date": pl.Date(),
    "licence": TEXT,
    "transcript": TEXT,  # plain text
    "words": INT,  # of the transcript
}

CATALOGUE: Schema = {
    "video_id": TEXT,
    "source": TEXT,  # the list, dataset or folder that it is from
    "path": TEXT,  # of a local file, absolute
    "url": TEXT,  # see stages/core/storage/addresses.py
    **ABOUT,
    "content_metadata": TEXT,  # an annotation in FineVideo's schema, as JSON
    "original": TEXT,  # all else that a dataset in FineVideo's format says of it, as JSON
    "bytes": INT,
}

SPANS: Schema = {  # parts of a video that its catalogue names; times in the whole video
    "video_id": TEXT,
    "span_id": TEXT,
    "source": TEXT,  # the dataset that it is from
    "start_s": REAL,
    "end_s": REAL,
    "score": REAL,
    "raw_caption": TEXT,
    "refined_caption": TEXT,
    "rewritten_caption": TEXT,
    "orig_caption": TEXT,
    "orig_start_s": REAL,  # of the longer clip that the span was cut from
    "orig_end_s": REAL,
    "scene_cut": pl.List(pl.Int64()),  # first and last frame within that clip, as given; -1: its last
}

CAPTIONS = ("raw_caption", "refined_caption", "rewritten_caption", "orig_caption")

# The number of spans of the source with the same caption, but for case, spaces, digits and punctuation.
CAPTION_ROWS: Schema = {f"{caption}_rows": INT for caption in CAPTIONS}

LEFT_OUT: Schema = {"reason": TEXT, "rows": INT}  # what a source has and the catalogue has not
