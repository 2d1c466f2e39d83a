"""The dev cluster for tests that need a real Slurm, and the test stage's place on the tasks' path."""

import fcntl
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
os.environ["PYTHONPATH"] = str(ROOT / "tests")  # for the processes that tests start: they import support.probe
# several processes share the cores: threads of torch that wait busily for each other take five times as long
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # else each of the many processes compiles our code again
os.environ["HF_ENDPOINT"] = "http://127.0.0.1:9"  # no test asks the real Hub
os.environ["HF_HUB_DISABLE_XET"] = "1"  # the Hubs of tests take large files the way of LFS
STATE = Path(os.environ.get("REELMILL_DEVCLUSTER", "/tmp/reelmill-devcluster"))


@pytest.hookimpl(tryfirst=True)  # before xdist looks for the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Those who share the dev cluster run one after another, while others run beside them.

    A file's tests that share what is made once for it run in one process, so that it is made once.
    """
    for item in items:
        if isinstance(item, pytest.Function):
            if "slurm" in item.fixturenames:
                item.add_marker(pytest.mark.xdist_group("slurm"))
            elif any(made[-1].scope == "module" for made in item._fixtureinfo.name2fixturedefs.values()):
                item.add_marker(pytest.mark.xdist_group(item.path.name))


@pytest.fixture(scope="session")
def slurm() -> Iterator[Path]:
    """The state directory of a running dev cluster. Skips where there is no Slurm; in CI that is a failure."""
    missing = [name for name in ("slurmctld", "slurmd", "slurmdbd", "munged", "mariadbd") if not _program(name)]
    if missing and os.environ.get("CI") != "true":
        pytest.skip(f"no Slurm here ({', '.join(missing)}): apt-get install slurm-wlm slurmdbd munge mariadb-server")
    with STATE.with_suffix(".tests").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # other tests preempt jobs, lose nodes and stop daemons
        subprocess.run([ROOT / "scripts" / "devcluster", "up"], check=True)
        os.environ["SLURM_CONF"] = str(STATE / "slurm.conf")
        yield STATE
        subprocess.run(["scancel", "-u", "root"], check=False, capture_output=True)


def _program(name: str) -> str | None:
    return shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/sbin:/usr/local/sbin")
