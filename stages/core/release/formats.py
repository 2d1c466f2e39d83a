"""The formats of a release by their names: each a module with `takes` and `pack`, and the suffix of its shards."""

from types import ModuleType

from stages.core.release import finevideo, folder, lvd2m, webdataset

FORMATS: dict[str, ModuleType] = {"finevideo": finevideo, "webdataset": webdataset, "lvd2m": lvd2m, "folder": folder}
