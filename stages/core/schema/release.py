"""What leaves the house: a row for each that is in a release."""

from stages.core.schema.types import INT, REAL, TEXT, Schema

PACKED: Schema = {
    "shard": TEXT,  # its file, as a path in the release; where in it a row lies is in the release's index
    "shard_path": TEXT,
    "media_bytes": INT,  # of its file
    "media_sha256": TEXT,
    "drop_reason": TEXT,  # why the format leaves it out: where (the config's condition), no_caption, too_short, …
}

PUBLISHED: Schema = {  # a row a config of a dataset
    "config": TEXT,
    "folder": TEXT,  # in the dataset; empty: its top
    "rows": INT,
    "hours": REAL,  # null if no row's length is known
    "files": INT,  # that hold rows
    "bytes": INT,  # of these files
    "version": TEXT,
    "rows_added": INT,  # since the version before, in all configs
    "rows_removed": INT,
    "repository": TEXT,  # null: it was not uploaded
    "commit": TEXT,  # of the repository's main branch that shows it
}
