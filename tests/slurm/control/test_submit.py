"""Submission: what is frozen before anything is submitted, and arrays within Slurm's limits."""

import random
import shutil
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest
from support.runs import ProbeRun, until
from support.steps import cluster, made_step

from slurm.control.submit import RacedError, _windows, close, closed, freeze, job_name, load_windows, submissions
from slurm.control.survey import survey
from slurm.record.manifest import Step
from slurm.scheduler.backend import backend

ROOT = Path(__file__).parents[3]
TASKS = [[0], [1], [2, 3]]


@pytest.fixture
def step(tmp_path: Path) -> Step:
    return made_step(tmp_path / "r", "s")


def test_windows_keep_to_the_array_size_and_together_to_the_throttle() -> None:
    chance = random.Random(1)
    for _ in range(500):
        tasks = [[chunk] for chunk in range(chance.randint(1, 300))]
        size, parallel = chance.randint(1, 60), chance.randint(1, 40)
        made = list(_windows(tasks, size, parallel))
        assert [task for _, window in made for task in window] == tasks
        assert all(1 <= len(window) <= size for _, window in made)
        lanes: dict[int, set[int]] = defaultdict(set)  # the throttles in each; one window of a lane runs at a time
        for number, (lane, _) in enumerate(made):
            lanes[number % lane.lanes].add(lane.parallel)
        assert all(min(throttles) >= 1 for throttles in lanes.values())
        assert sum(max(throttles) for throttles in lanes.values()) <= parallel


def test_all_of_the_throttle_is_used_where_there_is_enough_to_do() -> None:
    made = list(_windows([[chunk] for chunk in range(30)], 10, 8))
    assert sum(lane.parallel for lane, _ in made) == 8


def test_no_tasks_need_no_window() -> None:
    assert list(_windows([], 10, 4)) == []


def test_what_is_submitted_is_on_disk_before(step: Step) -> None:
    name = freeze(step, TASKS, cluster(mem_gb=3), seen=0, size=2, why={"timeout": 2})
    content = step.submission(name)
    assert submissions(step) == [name] == ["0000"]
    assert (content.tasks, content.window, content.why) == (TASKS, 2, {"timeout": 2})
    assert content.cluster.mem_gb == 3
    assert load_windows(step, name) == []


def test_the_second_of_two_that_looked_at_the_same_time_is_refused(step: Step) -> None:
    freeze(step, TASKS, cluster(), seen=0, size=100, why={"first": 1})
    with pytest.raises(RacedError):
        freeze(step, [[9]], cluster(), seen=0, size=100, why={})
    assert submissions(step) == ["0000"]
    assert step.submission("0000").why == {"first": 1}
    assert [path.name for path in step.paths.submissions.iterdir()] == ["0000"]
    assert freeze(step, [[9]], cluster(), seen=1, size=100, why={}) == "0001"


def test_what_hinders_a_submission_and_is_no_other_one_is_told(step: Step) -> None:
    step.paths.submissions.mkdir(parents=True)
    (step.paths.submissions / "0000").write_text("")
    with pytest.raises(NotADirectoryError):
        freeze(step, TASKS, cluster(), seen=0, size=9, why={})


@pytest.mark.parametrize("gone", ["0000", "0001", "0002"])
def test_a_submission_that_somebody_removed_stops_no_other(step: Step, gone: str) -> None:
    for seen in range(3):
        close(step, freeze(step, TASKS, cluster(), seen=seen, size=9, why={}))
    shutil.rmtree(step.paths.submissions / gone)
    name = freeze(step, TASKS, cluster(), seen=survey(step).submissions, size=9, why={})
    assert name == submissions(step)[-1] == ("0002" if gone == "0002" else "0003")


def test_of_many_processes_one_submits(step: Step) -> None:
    race = (
        "import sys\n"
        "from pathlib import Path\n"
        "from slurm.record.manifest import Step\n"
        "from slurm.control.submit import RacedError, freeze\n"
        "from support.steps import cluster\n"
        "for seen in range(20):\n"
        "    try:\n"
        "        freeze(Step(Path(sys.argv[1]), 's'), [[0]], cluster(), seen=seen, size=9, why={sys.argv[2]: 1})\n"
        "        print(seen)\n"
        "    except RacedError:\n"
        "        pass\n"
    )
    command = [sys.executable, "-c", race, str(step.run)]
    racers = [subprocess.Popen([*command, str(n)], cwd=ROOT, stdout=subprocess.PIPE, text=True) for n in range(3)]
    won = [line for racer in racers for line in racer.communicate(timeout=60)[0].split()]
    assert sorted(map(int, won)) == list(range(20))
    assert len(list(step.paths.submissions.iterdir())) == 20


def test_a_draft_that_a_killed_submitter_left_is_no_submission(step: Step) -> None:
    draft = step.paths.submissions / ".0000.node.123"
    draft.mkdir(parents=True)
    (draft / "submission.json").write_text("{}")
    assert submissions(step) == []
    assert freeze(step, TASKS, cluster(), seen=0, size=9, why={}) == "0000"


def test_job_names_tell_run_step_and_window_and_differ_between_runs_directories(tmp_path: Path) -> None:
    a, b = Step(tmp_path / "a" / "r", "s"), Step(tmp_path / "b" / "r", "s")
    assert job_name(a, "0000", 3).startswith("r.s.0000.3.")
    assert job_name(a, "0000", 3) != job_name(b, "0000", 3)
    assert len({job_name(a, name, n) for name in ("0000", "0001") for n in range(3)}) == 6


def test_a_closed_submission_says_so(step: Step) -> None:
    name = freeze(step, TASKS, cluster(), seen=0, size=9, why={})
    assert not closed(step, name)
    close(step, name)
    assert closed(step, name)


def test_a_run_on_slurm_may_lie_in_a_place_with_an_odd_name(tmp_path: Path, slurm: Path) -> None:
    place = tmp_path / "a b [x], {y} 'q' \"r\" #z;$(v)&*?"
    run = ProbeRun(place, 2, "cluster=devcluster", "run='r [1], 2'", "items.workers=1", "chunks.ahead=2")
    run.submit()
    step = Step(run.runs / "r [1], 2", "probe")
    until(step.complete, 60)
    rows = step.scan()
    assert rows is not None
    assert rows.collect().equals(run.expected())
    assert len(list(step.paths.logs.rglob("*_log.out"))) == 2
    for window in load_windows(step, "0000"):  # a comma would divide two names
        assert backend(cluster(executor="slurm")).find(job_name(step, "0000", window.first)) == window.job
