"""Annotations: what is told of a whole video, as JSON in FineVideo's schema."""

from stages.core.schema.types import INT, REAL, TEXT, Schema

ALIGNED: Schema = {
    "content_metadata": TEXT,  # JSON, with times as HH:MM:SS.mmm
    "shifts": INT,  # borders of scenes that were moved
    "shift_mean_s": REAL,  # over all borders
    "shift_max_s": REAL,
    "mended": INT,  # times that had to be repaired
    "dropped": INT,  # activities, props, moments, … whose time cannot be read or lies elsewhere
    "alignment": TEXT,  # good, mended, or reduced where something was dropped
}

ANNOTATED: Schema = {
    "content_metadata": TEXT,  # JSON; null: so far it is only described
    "annotation_title": TEXT,  # as in the JSON
    "annotation_description": TEXT,  # as in the JSON; null there: what was told of the first part
    "annotation_by": TEXT,  # describe, structure or direct
    "parts": INT,  # of the video that were asked about one after another
    "annotation_model": TEXT,
    "annotation_revision": TEXT,
    "prompt": TEXT,  # hash of the template
    "tokens_in": INT,  # of all tries of all questions
    "tokens_out": INT,
    "tries": INT,
    "latency_s": REAL,  # of the last tries
}

TELLINGS: Schema = {  # the model's answers as they came, of rows that failed, too; tables are compressed
    "video_id": TEXT,
    "part": INT,  # -1: the answer is about the whole video
    "start_s": REAL,
    "end_s": REAL,
    "text": TEXT,
    "model": TEXT,
    "revision": TEXT,
    "prompt": TEXT,
    "tokens_in": INT,
    "tokens_out": INT,
    "tries": INT,
    "latency_s": REAL,
    "error": TEXT,  # of an answer that was not accepted
}
