"""What leaves the house: a row for each that is in a release."""

from stages.core.schema.types import INT, TEXT, Schema

PACKED: Schema = {
    "shard": TEXT,  # its file, as a path in the release; where in it a row lies is in the release's index
    "shard_path": TEXT,
    "media_bytes": INT,  # of its file
    "media_sha256": TEXT,
    "drop_reason": TEXT,  # where: the config's condition leaves it out
}
