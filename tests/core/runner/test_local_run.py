"""A run on this machine from its beginning to its end, whatever its items do."""

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import polars as pl
import pytest
from support.runs import ROOT, ProbeRun, until

from slurm.errors import InputError
from slurm.record.history import history
from slurm.record.manifest import Step
from stages.core.runner.pipeline import submit_steps

DEBUG, LOCAL = "cluster.executor=debug", "cluster.executor=local"
ONE = ("chunks.n=1", "items.workers=1")


def calls(run: ProbeRun) -> list[int]:
    """How often each item was begun."""
    return [len(run.calls(item)) for item in range(len(run.names))]


@pytest.mark.parametrize("executor", ["debug", "local"])
def test_every_item_is_in_the_table_in_order(tmp_path: Path, executor: str) -> None:
    run = ProbeRun(tmp_path, 11, f"cluster.executor={executor}", "chunks.size=4")
    assert run.submit() == 0
    assert run.step.plan.n == 3
    assert run.table().equals(run.expected())
    assert run.letters()["video_id"].to_list() == [name for name in run.names for _ in range(3)]
    assert calls(run) == [1] * 11
    assert not list(run.step.paths.partial.glob("*/*"))


def test_submitting_again_does_nothing(tmp_path: Path) -> None:
    run = ProbeRun(tmp_path, 4, DEBUG, "chunks.size=2")
    assert run.submit() == 0
    before = sorted(
        path
        for path in run.run.rglob("*")
        if path.suffix in (".parquet", ".jsonl") or path.parent.name == "submissions"
    )
    assert run.submit() == 0
    assert run.resume()["probe"].submitted == []
    assert calls(run) == [1] * 4
    assert before == sorted(
        path
        for path in run.run.rglob("*")
        if path.suffix in (".parquet", ".jsonl") or path.parent.name == "submissions"
    )


def test_failed_items_become_rows_with_their_error(tmp_path: Path) -> None:
    run = ProbeRun(tmp_path, 6, DEBUG, "chunks.size=3", "items.timeout_s=2")
    for item, fault in {0: "bad", 2: "crash", 4: "hang"}.items():
        run.order(item, fault)
    assert run.submit() == 0
    table = run.table()
    assert table["video_id"].to_list() == run.names
    assert table["error"].to_list() == ["corrupt", None, "item_crashed", None, "item_timeout", None]
    assert table["error_detail"][0] == "the test said so"
    assert table.filter(pl.col("error").is_not_null())["value"].null_count() == 3
    done = run.step.all_done()
    assert [(d.rows_in, d.rows_out, d.rows_kept, d.rows_failed) for d in done] == [(3, 3, 1, 2), (3, 3, 2, 1)]
    assert done[0].errors == {"corrupt": 1, "item_crashed": 1}
    assert run.step.kept().collect()["video_id"].to_list() == [run.names[item] for item in (1, 3, 5)]


def test_too_many_failed_items_fail_the_chunk_and_only_they_are_tried_again(tmp_path: Path) -> None:
    run = ProbeRun(
        tmp_path, 6, DEBUG, "chunks.n=1", "items.workers=1", "chunks.min_errors=3", "chunks.max_error_share=0.4"
    )
    for item in (1, 3, 5):
        run.order(item, "bad")
    assert run.submit() == 1
    assert run.survey().failed == {0: "too_many_errors"}
    assert "3 of 6 items failed, more than chunks.max_error_share=0.4" in run.survey().past[0][-1].detail
    for order in run.folder.glob("*.bad"):
        order.unlink()
    run.resume()
    assert run.table().equals(run.expected())
    assert calls(run) == [1, 2, 1, 2, 1, 2]


def test_failed_items_are_tried_again_even_if_the_attempt_between_got_nowhere(tmp_path: Path) -> None:
    run = ProbeRun(
        tmp_path, 4, DEBUG, "chunks.n=1", "items.workers=1", "chunks.min_errors=2", "chunks.max_error_share=0.4"
    )
    for item in (0, 1):
        run.order(item, "bad")
    assert run.submit() == 1
    begin_and_die(run)
    for order in run.folder.glob("*.bad"):
        order.unlink()
    run.resume()
    assert run.table().equals(run.expected())


def begin_and_die(run: ProbeRun) -> None:
    """An attempt that was killed before it read a row."""
    (last,) = history(run.step, 0)
    path = next(run.step.paths.attempts.glob(f"*/*/{last.name}.jsonl"))
    start = path.read_text().splitlines()[0].replace(f'"pid": {last.pid}', '"pid": 4194304')
    path.with_name("localdead_0_0.jsonl").write_text(
        start.replace(f'"t": {last.started}', f'"t": {last.last + 1}') + "\n"
    )


def test_items_that_failed_in_earlier_attempts_count_as_failed(tmp_path: Path) -> None:
    limits = ("chunks.min_errors=3", "chunks.max_error_share=0.4", "chunks.flush_s=0")
    run = ProbeRun(tmp_path, 6, DEBUG, *ONE, *limits)
    for item, fault in {0: "bad", 1: "bad", 2: "raise", 4: "bad", 5: "bad"}.items():
        run.order(item, fault, once=fault == "raise")
    assert run.submit() == 1
    assert run.survey().failed == {0: "exception"}
    run.resume()
    assert run.survey().failed == {0: "too_many_errors"}


def test_a_chunk_that_raises_twice_alike_is_set_aside_until_forced(tmp_path: Path) -> None:
    run = ProbeRun(tmp_path, 4, DEBUG, "chunks.size=2", "items.workers=1")
    run.order(1, "raise")
    assert run.submit() == 1
    assert run.survey().failed == {0: "exception"}
    aside = run.resume()["probe"].set_aside
    assert "failed twice alike" in aside[0]
    assert "RuntimeError: the test said so" in aside[0]
    begun = calls(run)
    assert list(run.resume()["probe"].set_aside) == [0]
    assert calls(run) == begun
    assert (begun[2], begun[3]) == (1, 1)
    (run.folder / f"{run.names[1]}.raise").unlink()
    assert run.resume(force=True)["probe"].set_aside == {}
    assert run.table().equals(run.expected())


def test_a_chunk_that_fails_costs_its_task_fellows_nothing(tmp_path: Path) -> None:
    run = ProbeRun(tmp_path, 8, DEBUG, "chunks.size=4", "chunks.per_task=2", seconds=0.1)
    run.order(0, "raise")
    assert run.submit() == 1
    found = run.survey()
    assert [found.state(chunk) for chunk in range(2)] == ["failed (exception)", "done"]


def test_a_task_that_was_killed_is_told_and_resumed(tmp_path: Path) -> None:
    run = ProbeRun(tmp_path, 6, LOCAL, *ONE, seconds=0.3)
    with ThreadPoolExecutor() as pool:
        status = pool.submit(run.submit)
        until(lambda: run.calls(0))
        os.kill(run.calls(0)[0][1], signal.SIGKILL)
        assert status.result(60) == 1
    assert run.resume()["probe"].set_aside == {}
    assert run.table().equals(run.expected())


def test_a_task_that_did_not_start_is_told_with_the_place_of_its_log(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = ProbeRun(tmp_path, 2, LOCAL, *ONE)
    assert submit_steps(run.wanted()[:1]) == 0
    assert submit_steps(run.wanted("cluster.setup=[exit 7]")[-1:]) == 1
    assert "chunk 0 not done: its task ended without a word" in (told := capsys.readouterr().out)
    assert f"see {run.step.paths.logs}/0000/" in told


def test_another_config_is_refused_and_overwrite_computes_again(tmp_path: Path) -> None:
    run = ProbeRun(tmp_path, 4, DEBUG, "chunks.size=2")
    assert run.submit() == 0
    run.seconds = 0.01
    with pytest.raises(InputError, match=r"config\.seconds: 0\.0 → 0\.01"):
        run.submit()
    assert calls(run) == [1] * 4
    assert run.submit("overwrite=probe") == 0
    assert calls(run) == [2] * 4
    assert run.table().equals(run.expected())


def test_overwrite_true_replaces_only_what_has_nothing_finished(tmp_path: Path) -> None:
    run = ProbeRun(tmp_path, 4, DEBUG, "chunks.n=1")
    run.order(0, "raise", once=True)
    assert run.submit() == 1
    run.seconds = 0.01
    assert run.submit("overwrite=true") == 0
    run.seconds = 0.02
    lost = r"finished rows would be lost: probe \(1 of 1 chunks done, 4 rows, [\d.]+ CPU hours\)"
    with pytest.raises(InputError, match=f"overwrite=probe computes them again; {lost}"):
        run.submit("overwrite=true")
    assert run.survey().complete()
    assert run.step.plan.config["seconds"] == 0.01


def test_overwrite_true_says_what_it_leaves_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = ProbeRun(tmp_path, 2, DEBUG)
    assert run.submit() == 0
    assert run.submit("overwrite=true") == 0
    assert (
        "overwrite=true: ingest, probe are finished with this config and stay; overwrite=NAME"
        in capsys.readouterr().out
    )
    assert calls(run) == [1] * 2
    assert run.submit("overwrite=[probe]") == 0
    assert calls(run) == [2] * 2
    assert run.table().equals(run.expected())


def test_ctrl_c_keeps_what_was_finished_and_resume_goes_on_behind_it(tmp_path: Path) -> None:
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "from support.runs import ProbeRun\n"
        "run = ProbeRun(Path(sys.argv[1]), 24, 'cluster.executor=local', 'chunks.n=1', seconds=0.1)\n"
        "sys.exit(run.submit())\n"
    )
    path = f"{ROOT}:{ROOT / 'tests'}"
    task = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)], cwd=ROOT, env={**os.environ, "PYTHONPATH": path},
        start_new_session=True, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    run = ProbeRun(tmp_path, 24, "cluster.executor=local", "chunks.n=1", seconds=0.0)
    until(lambda: run.begun() > 6, 30, every=0.05)
    os.killpg(task.pid, signal.SIGINT)
    assert task.wait(20) != 0
    until(lambda: not run.survey().active, 10)
    begun = run.begun()
    assert begun < 24
    assert run.survey().state(0) == "pending"  # stopped is no failure
    assert history(run.step, 0)[-1].rows >= begun - 2
    run.resume()
    assert run.table().equals(run.expected())
    assert sum(calls(run)) - 24 <= 2  # those that were under way


def test_an_input_without_rows_gives_a_table_without_rows(tmp_path: Path) -> None:
    run = ProbeRun(tmp_path, 2, DEBUG)
    for item in range(2):
        run.order(item, "bad")
    assert run.submit() == 0
    assert Step(run.run, "probe").kept().collect().is_empty()
