"""Three floors, arrows only down: stages → core → slurm; and the few rules that keep the house simple."""

import ast
import re
import tomllib
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import pytest
import yaml

from stages.core.runner.config import Common
from stages.core.runner.stage import load

ROOT = Path(__file__).parents[1]
HEAVY = {"torch", "transformers", "decord", "cv2", "av", "scenedetect", "altair"}
CODE = sorted(path for room in ("slurm", "stages", "scripts") for path in (ROOT / room).rglob("*.py"))
SLURM = sorted((ROOT / "slurm").rglob("*.py"))
CORE = sorted((ROOT / "stages" / "core").rglob("*.py"))
STAGES = sorted(path.stem for path in (ROOT / "stages").glob("*.py") if not path.stem.startswith("__"))
CONFIGS = sorted((ROOT / "conf").rglob("*.yaml"))


def imported(path: Path, *, top: bool = False) -> set[str]:
    """The modules and names that a file imports, dotted; with `top` only those imported as it is loaded."""
    found: set[str] = set()
    for node in loaded(ast.parse(path.read_text())) if top else ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found |= {str(node.module), *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def loaded(node: ast.AST) -> Iterator[ast.AST]:
    """The nodes that run when a module is loaded: not the bodies of functions."""
    yield node
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield from loaded(child)


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def roots(modules: set[str]) -> set[str]:
    return {module.partition(".")[0] for module in modules}


def stages_in(modules: set[str]) -> set[str]:
    return {stage for stage in STAGES for module in modules if f"{module}.".startswith(f"stages.{stage}.")}


def test_slurm_knows_no_stage() -> None:
    assert {name(p): m for p in SLURM for m in imported(p) if f"{m}.".startswith("stages.")} == {}


def test_core_knows_no_stage() -> None:
    assert {name(p): found for p in CORE if (found := stages_in(imported(p)))} == {}


def test_no_stage_knows_another() -> None:
    paths = {stage: ROOT / "stages" / f"{stage}.py" for stage in STAGES}
    assert {s: found for s, path in paths.items() if (found := stages_in(imported(path)) - {s})} == {}


ARROWS = {  # folder → folders that it may import from; what stands in none of them is at the top of slurm or stages
    "slurm": {  # __main__.py and table.py
        "slurm/control",
        "slurm/explain",
        "slurm/pool",
        "slurm/record",
        "slurm/scheduler",
    },
    "slurm/scheduler": {"slurm"},
    "slurm/record": {"slurm", "slurm/scheduler"},
    "slurm/task": {"slurm", "slurm/pool", "slurm/record", "slurm/scheduler"},
    "slurm/pool": {"slurm", "slurm/record", "slurm/scheduler"},
    "slurm/control": {"slurm", "slurm/pool", "slurm/record", "slurm/scheduler", "slurm/task"},
    "slurm/explain": {"slurm", "slurm/control", "slurm/record"},
    "stages/core/schema": set(),
    "stages/core/balance": set(),
    "stages/core/storage": {"schema"},
    "stages/core/choose": set(),
    "stages/core/timeline": {"schema"},
    "stages/core/video/read": set(),
    "stages/core/video/second_look": {"video/read"},
    "stages/core/video/measure": {"schema", "video/read", "video/second_look"},
    "stages/core/video/skim": {"schema", "video/measure", "video/read"},
    "stages/core/video/merge": {"schema", "video/measure", "video/read"},
    "stages/core/video/crop": {"schema", "storage", "video/read"},
    "stages/core/video/cut": {"video/read"},
    "stages/core/video/sample": {"frames", "runner", "schema", "storage", "video/measure", "video/read"},
    "stages/core/video/flow": {"models", "schema", "storage", "video/measure", "video/read"},
    "stages/core/frames": {"models", "runner", "schema", "storage", "video/measure", "video/read"},
    "stages/core/frames/describe": {"frames", "models", "schema"},
    "stages/core/models": set(),
    "stages/core/models/embedded": {"models"},
    "stages/core/fetch": {"schema", "storage", "video/read"},
    "stages/core/fetch/web": {"fetch", "storage"},
    "stages/core/fetch/sites": {"fetch", "fetch/web", "schema", "storage", "video/cut", "video/read"},
    "stages/core/sources": {"fetch", "fetch/web", "schema", "storage"},
    "stages/core/text/alarms": {"runner", "text"},
    "stages/core/text/caption": {"frames", "models", "runner", "schema", "text", "video/sample"},
    "stages/core/text/annotation": {"frames", "runner", "schema", "storage", "text", "video/sample"},
    "stages/core/text": {"models", "models/embedded", "runner", "schema"},
    "stages/core/dedup": {"schema"},
    "stages/core/release": {"release/training", "schema", "storage", "text/annotation", "video/read"},
    "stages/core/release/training": {"schema", "video/read"},
    "stages/core/removal": {"release", "schema", "sources", "storage"},
    "stages/core/report/flow": set(),
    "stages/core/report/content": {"report/flow", "text/alarms"},
    "stages/core/report/charts": {"report/content", "report/flow"},
    "stages/core/report": {"report/charts", "report/content", "report/flow", "text/alarms"},
    "stages/core/card": {"report/charts", "report/content", "report/flow", "runner", "schema", "storage"},
    "stages/core/hub": {"storage"},
    "stages/core/explorer": {"storage", "text/annotation", "video/read"},
    "stages/core/runner": {"models", "schema", "storage"},
    "stages/core/command_line": {"runner"},
}


def folder_of(module: str) -> str | None:
    """The folder of a module of ours, or of the module that a name is imported from."""
    path = ROOT / module.replace(".", "/")
    if (path / "__init__.py").exists():
        return name(path)
    return next((name(p.parent) for p in (path, path.parent) if p.with_suffix(".py").exists()), None)


@pytest.mark.parametrize("folder", ARROWS)
def test_arrows_between_folders_point_one_way(folder: str) -> None:
    imports = {
        m for path in (ROOT / folder).glob("*.py") for m in imported(path) if m.startswith(("slurm.", "stages."))
    }
    others = {found for m in imports if (found := folder_of(m)) and found != folder}
    if folder.startswith("slurm"):
        assert others <= ARROWS[folder]
    else:
        assert {other for other in others if other.startswith("stages")} <= {f"stages/core/{o}" for o in ARROWS[folder]}


def modules() -> dict[str, set[str]]:
    """Each module of slurm and stages with those that it imports, also inside functions."""
    paths = [*SLURM, *(ROOT / "stages").rglob("*.py")]
    imports = {name(path).removesuffix(".py").replace("/", "."): imported(path) for path in paths}
    return {module: others & imports.keys() - {module} for module, others in imports.items()}


def test_no_module_imports_one_that_imports_it_again() -> None:
    left = modules()
    while left:
        free = [module for module, others in left.items() if not others & left.keys()]
        assert free, f"a circle among {sorted(left)}"
        left = {module: others for module, others in left.items() if module not in free}


def test_every_folder_of_code_has_its_arrows_and_is_small() -> None:
    folders = {name(path.parent) for path in [*SLURM, *CORE] if path.name != "__init__.py"}
    assert folders == ARROWS.keys()
    sizes = {folder: len(list((ROOT / folder).glob("[!_]*.py"))) for folder in folders}
    assert {folder: size for folder, size in sizes.items() if size > 15} == {}


def test_every_folder_of_code_is_a_package_that_is_installed() -> None:
    named = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    folders = {path.parent for room in ("slurm", "stages") for path in (ROOT / room).rglob("*.py")}
    assert sorted(named) == sorted(name(folder).replace("/", ".") for folder in folders)


def test_arrows_make_no_circle() -> None:
    above = {
        folder: {o if o.startswith("slurm") else f"stages/core/{o}" for o in others}
        for folder, others in ARROWS.items()
    }
    left = {folder: others - {"slurm"} for folder, others in above.items() if folder != "slurm"}  # errors.py, screen.py
    while left:
        free = [folder for folder, others in left.items() if not others & left.keys()]
        assert free, f"a circle among {sorted(left)}"
        left = {folder: others for folder, others in left.items() if folder not in free}


def test_heavy_libraries_are_not_loaded_where_runs_are_planned() -> None:
    light = [*SLURM, *(ROOT / "stages").glob("*.py"), *(ROOT / "stages" / "core" / "runner").glob("*.py")]
    light += (ROOT / "stages" / "core" / "command_line").glob("*.py")
    assert {name(p): found for p in light if (found := roots(imported(p, top=True)) & HEAVY)} == {}


def test_rooms_are_not_loaded_where_runs_are_planned() -> None:
    rooms = [p.name for p in (ROOT / "stages" / "core").iterdir() if (p / "__init__.py").exists()]
    for path in [*(ROOT / "stages").glob("*.py"), *(ROOT / "stages" / "core" / "runner").glob("*.py")]:
        loaded_rooms = {m for m in imported(path, top=True) for r in rooms if f"{m}.".startswith(f"stages.core.{r}.")}
        heavy = {m for m in loaded_rooms if (file := ROOT / f"{m.replace('.', '/')}.py").exists() and drags(file)}
        assert heavy == set(), name(path)


def drags(path: Path) -> bool:
    """Whether loading a file loads a heavy library."""
    return bool(roots(imported(path, top=True)) & HEAVY)


def test_only_the_command_line_knows_hydra() -> None:
    knowing = {name(p) for p in [*SLURM, *(ROOT / "stages").rglob("*.py")] if "hydra" in roots(imported(p))}
    assert knowing <= {
        "slurm/conf.py",
        *(f"stages/core/command_line/{file}.py" for file in ("command", "points", "words")),
    }


def test_there_is_one_broad_except() -> None:
    broad = [
        name(path)
        for path in CODE
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ExceptHandler) and ({"Exception", "BaseException"} & caught(node) or node.type is None)
    ]
    assert broad == ["slurm/errors.py"]


def caught(handler: ast.ExceptHandler) -> set[str]:
    kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return {kind.id for kind in kinds if isinstance(kind, ast.Name)}


def test_no_file_is_long() -> None:
    files = [
        *CODE,
        *(ROOT / "tests").rglob("*.py"),
        *CONFIGS,
        *(p for p in (ROOT / "scripts").iterdir() if p.is_file()),
    ]
    assert {name(p): n for p in files if (n := len(p.read_text().splitlines())) > 300} == {}


@pytest.mark.parametrize("path", CONFIGS, ids=name)
def test_a_config_begins_with_the_command_that_uses_it(path: Path) -> None:
    first = [line for line in path.read_text().splitlines()[:2] if line.startswith("#")]
    assert any("python -m " in line for line in first)


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_is_named_like_its_file_and_its_config_has_exactly_its_keys(stage: str) -> None:
    made = load(stage)
    assert made.name == stage
    config = yaml.safe_load((ROOT / "conf" / "stage" / f"{stage}.yaml").read_text())
    groups = {group for default in config.pop("defaults") if isinstance(default, dict) for group in default}
    assert config.pop("stage") == stage
    keys = config.keys() | {group.removeprefix("/") for group in groups}
    common, own = {field.name for field in fields(Common)}, {field.name for field in fields(made.config)}
    assert keys - common == own
    assert not own & common


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_documents_its_command(stage: str) -> None:
    docstring = ast.get_docstring(ast.parse((ROOT / "stages" / f"{stage}.py").read_text())) or ""
    assert f"python -m stages.{stage} " in docstring


def test_every_stage_is_in_the_readme() -> None:
    rows = re.findall(r"^\| `(\w+)` \|", (ROOT / "README.md").read_text(), flags=re.MULTILINE)
    assert sorted(set(rows) & set(STAGES)) == STAGES


def test_no_folder_of_scripts_is_large() -> None:
    folders = {path.parent for path in (ROOT / "scripts").rglob("*.py")}
    sizes = {name(folder): len(list(folder.glob("[!_]*.py"))) for folder in folders}
    assert {folder: size for folder, size in sizes.items() if size > 15} == {}
