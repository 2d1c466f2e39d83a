"""The record of a stored video, `<name>.json` beside its file: the rows that the download stage gives for it.

The record is written first, the file last; a record without its file does not count. So a task that is killed at any
instant downloads nothing twice, another run can reuse the file, and a store explains itself.
"""

import json
from base64 import b64decode, b64encode
from datetime import date

from stages.core.schema.types import Row
from stages.core.storage.store import Store

Tables = dict[str, list[Row]]


def load(store: Store, video_id: str, address: str) -> Tables | None:
    """The rows of a video, by table; None unless its complete file is in the store and came from this address."""
    text = store.read_beside(video_id)
    if text is None:
        return None
    record = json.loads(text)
    rows: list[Row] = record["rows"]
    if record["address"] != address or store.size(str(rows[0]["path"])) != rows[0]["bytes"]:
        return None
    if rows[0].get("upload_date"):
        rows[0]["upload_date"] = date.fromisoformat(str(rows[0]["upload_date"]))
    info = [{**row, "info": b64decode(str(row["info"]))} for row in record["info"]]
    return {"rows": rows, "subtitles": record["subtitles"], "info": info}


def save(store: Store, video_id: str, address: str, tables: Tables) -> None:
    """Writes the record of a file that will be put into the store next. Raises ItemError: disk, network."""
    store.write_beside(video_id, json.dumps({"address": address, **tables}, default=_as_text, ensure_ascii=False))


def _as_text(value: object) -> str:
    if isinstance(value, bytes):
        return b64encode(value).decode()
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} in a record")
