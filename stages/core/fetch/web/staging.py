"""What a worker does with the cells of one Parquet file. Its memory is limited: sizes in such files may be lies."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from slurm.errors import ItemError
from stages.core.fetch import record
from stages.core.fetch.session import get_session
from stages.core.fetch.settings import Access, Pace
from stages.core.fetch.web.cells import extract_cells
from stages.core.storage.addresses import host_of
from stages.core.storage.store import Store

STAGED = ("staged", "error", "error_detail")


class Staging(NamedTuple):
    """Where the files go, where the run's workers share their rate, and how requests are made."""

    store: str
    folder: Path
    shared: Path
    pace: Pace
    access: Access
    max_bytes: int


def extract(job: Mapping[str, Any], staging: Staging) -> dict[str, list[dict[str, object]]]:
    """A row for each of the job's `cells` (video id → address): its file in the folder, or its error, as STAGED.

    Both are null for a video that is in the store.
    """
    session = get_session(staging.shared, staging.pace, staging.access)
    store, cells = Store(staging.store), dict(job["cells"])
    stored = [key for key, address in cells.items() if record.load(store, key, address) is not None]
    missing = {key: address for key, address in cells.items() if key not in stored}
    found: list[dict[str, object]] = [{"video_id": key} for key in stored]
    turn = lambda file: session.wait_turn(host_of(file))  # noqa: E731
    for key, result in extract_cells(missing, staging.folder, turn, staging.max_bytes):
        if isinstance(result, ItemError):
            found.append({"video_id": key, "error": result.code, "error_detail": result.detail})
        else:
            found.append({"video_id": key, "staged": str(result)})
    return {"rows": found}
