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
