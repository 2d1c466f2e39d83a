"""The formats of a release by their names: each a module, and the suffix of its shards.

`needs` and `takes` are the columns that it looks at, `pack` makes a shard, `leave_out` takes rows out of one. One may
have `takes_lists`, and `close`, which is called once all rows of a chunk are done.
"""

from types import ModuleType

from stages.core.release import clips, finevideo, folder, lvd2m, trainer, webdataset

FORMATS: dict[str, ModuleType] = {
    "finevideo": finevideo,
    "clips": clips,
    "webdataset": webdataset,
    "lvd2m": lvd2m,
    "trainer": trainer,
    "folder": folder,
}
