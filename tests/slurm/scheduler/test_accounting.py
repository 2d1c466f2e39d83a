"""What squeue tells: array indices as it writes them, and jobs that it does not know."""

import pytest

from slurm.scheduler.accounting import _expand, queued
from slurm.scheduler.environment import environment


@pytest.mark.parametrize(
    ("written", "indices"),
    [
        ("", [0]),
        ("5", [5]),
        ("[5]", [5]),
        ("[0-3]", [0, 1, 2, 3]),
        ("[0-3,7%2]", [0, 1, 2, 3, 7]),
        ("[2,4,6-8,1000%256]", [2, 4, 6, 7, 8, 1000]),
        ("[9%1]", [9]),
        # squeue shortens indices at equal distances, where there are enough of them
        ("[0-12:2]", [0, 2, 4, 6, 8, 10, 12]),
        ("[1-13:3%4]", [1, 4, 7, 10, 13]),
    ],
)
def test_index_lists_are_expanded(written: str, indices: list[int]) -> None:
    assert _expand(written) == indices


@pytest.mark.slow
@pytest.mark.usefixtures("slurm")
def test_a_job_that_slurm_has_forgotten_is_not_in_the_queue() -> None:
    assert queued(["1"], environment({})) == []
