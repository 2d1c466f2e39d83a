"""The retry policy, line by line."""

import pytest
from support.steps import cluster

from slurm.control.retry import Decision, decide
from slurm.record.history import Past

HERE = cluster(mem_gb=8, max_mem_gb=20, minutes=60, max_minutes=200)
FREE = ("node_fail", "preempted", "cancelled", "gated", "stopped")


def past(cause: str | None, detail: str = "", *, rows: int = 0, node: str = "n1") -> Past:
    return Past(
        name="1_0_0", job="1_0", restart=0, host="h", pid=1, started=0, last=1, rows=rows, items=9,
        cause=cause, detail=detail, log="", fingerprint="f", node=node,
    )  # fmt: skip


def decided(*attempts: Past, max_attempts: int = 6) -> Decision:
    return decide(list(attempts), HERE, max_attempts)


def test_a_chunk_that_was_not_tried_runs_with_the_clusters_resources() -> None:
    assert decided() == Decision(True, "", 8, 60)


def test_out_of_memory_gives_more_memory_up_to_the_limit() -> None:
    oom = past("out_of_memory")
    assert [decided(*[oom] * n).mem_gb for n in range(4)] == [8, 12, 18, 20]
    assert all(decided(*[oom] * n).again for n in range(4))
    assert decided(oom).minutes == 60


def test_out_of_memory_at_the_limit_is_set_aside_and_names_the_key() -> None:
    decision = decided(*[past("out_of_memory")] * 4)
    assert not decision.again
    assert "cluster.max_mem_gb=20" in decision.why


@pytest.mark.parametrize("limit", [8, 12, 18])
def test_the_same_memory_is_not_tried_twice(limit: float) -> None:
    where = cluster(mem_gb=8, max_mem_gb=limit)
    tried: list[float] = []
    while (decision := decide([past("out_of_memory")] * len(tried), where, 99)).again:
        tried.append(decision.mem_gb)
    assert len(tried) == len(set(tried))
    assert tried[-1] == limit


def test_a_timeout_without_a_row_gives_more_time_up_to_the_limit() -> None:
    late = past("timeout")
    assert [decided(*[late] * n).minutes for n in range(3)] == [60, 120, 200]
    assert decided(late).mem_gb == 8
    decision = decided(late, late, late)
    assert not decision.again
    assert "cluster.max_minutes=200" in decision.why


def test_the_same_time_is_not_tried_twice() -> None:
    where = cluster(minutes=60, max_minutes=120)
    assert decide([past("timeout")], where, 99).minutes == 120
    assert not decide([past("timeout")] * 2, where, 99).again


def test_a_timeout_with_rows_goes_on_in_the_same_time() -> None:
    assert decided(past("timeout", rows=3), past("timeout", rows=1))[::3] == (True, 60)


@pytest.mark.parametrize("cause", FREE)
def test_what_is_not_the_chunks_fault_is_free(cause: str) -> None:
    decision = decided(*[past(cause)] * 20, max_attempts=2)
    assert decision == Decision(True, cause, 8, 60)


def test_the_same_exception_twice_sets_the_chunk_aside_and_says_it() -> None:
    first, second = past("exception", "ValueError: row 17 of '/a/b'"), past("exception", "ValueError: row 4 of '/c'")
    assert decided(first) == Decision(True, "exception: ValueError: row 17 of '/a/b'", 8, 60)
    decision = decided(first, past("preempted"), second)
    assert not decision.again
    assert decision.why.startswith("failed twice alike: ")
    assert decision.why.endswith("ValueError: row 4 of '/c'")


def test_two_exceptions_that_differ_are_tried_again() -> None:
    assert decided(past("exception", "ValueError: x"), past("exception", "KeyError: x")).again


def test_too_many_failed_items_twice_alike_set_the_chunk_aside() -> None:
    errors = past("too_many_errors", "TooManyErrorsError: 12 of 20 items failed")
    assert decided(errors).again
    assert not decided(errors, errors).again


@pytest.mark.parametrize("cause", [None, "killed", "disk_full"])
def test_attempts_are_capped(cause: str | None) -> None:
    assert decided(*[past(cause)] * 5).again
    decision = decided(*[past(cause)] * 6)
    assert not decision.again
    assert decision.why == f"tried 6 times (retry.max_attempts=6); last: {cause or 'lost'}"


def test_a_lost_attempt_is_tried_again_as_lost() -> None:
    assert decided(past(None)) == Decision(True, "lost", 8, 60)
