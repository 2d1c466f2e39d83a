"""The formats of a release by their names: each a module, and the suffix of its shards.

`needs` and `takes` are the columns that it looks at, `pack` makes a shard, `leave_out` takes rows out of one.
"""

from types import ModuleType

from stages.core.release import finevideo, folder, lvd2m, webdataset

FORMATS: dict[str, ModuleType] = {"finevideo": finevideo, "webdataset": webdataset, "lvd2m": lvd2m, "folder": folder}
