"""What a person sees: status, explain, logs, resume, cancel, as they are typed."""

from pathlib import Path

import pytest
from support.runs import ProbeRun, command


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> ProbeRun:
    """Chunk 0 done with a bad item, chunk 1 failed."""
    made = ProbeRun(
        tmp_path_factory.mktemp("r"),
        6,
        "cluster.executor=local",
        "chunks.size=3",
        "items.workers=1",
        "chunks.flush_s=0",
    )
    made.order(1, "bad")
    made.order(4, "raise")
    assert made.submit() == 1
    return made


def slurm(run: ProbeRun, *words: str) -> str:
    """The output of a command, which must succeed."""
    done = command("slurm", words[0], "run=r", f"runs={run.runs}", *words[1:])
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_status_shows_chunks_rows_and_why_they_failed(run: ProbeRun) -> None:
    told = slurm(run, "status")
    ingest, probe = (
        next(line.split() for line in told.splitlines() if line.split()[:1] == [s]) for s in ("ingest", "probe")
    )
    assert ingest[1:4] == ["1", "of", "1"]
    assert probe[1:5] == ["1", "of", "2", "1"]
    assert "probe: 1 chunks failed: exception  e.g. chunk 1: RuntimeError: the test said so" in told
    assert "probe: 1 rows with error corrupt" in told
    assert "set aside" not in told


def test_status_of_one_step_shows_only_that(run: ProbeRun) -> None:
    assert "ingest" not in slurm(run, "status", "step=probe")


def test_explain_tells_the_story_of_a_failed_chunk_and_what_comes_next(run: ProbeRun) -> None:
    told = slurm(run, "explain", "step=probe", "chunk=1")
    assert "r/probe chunk 1: failed (exception)" in told
    assert "reads rows 3..6 of r/ingest" in told
    assert "RuntimeError: the test said so" in told
    assert "next: python -m slurm resume run=r submits it" in told


def test_explain_tells_the_part_of_a_chunk_that_is_done(run: ProbeRun) -> None:
    told = slurm(run, "explain", "step=probe", "chunk=0")
    assert "r/probe chunk 0: done" in told
    assert "3 in, 3 out, 2 kept, 1 failed {'corrupt': 1}" in told
    assert "next:" not in told


def test_explain_says_which_field_made_a_chunk_stale(tmp_path: Path) -> None:
    run = ProbeRun(tmp_path, 2, "cluster.executor=debug", "chunks.size=1", "items.workers=1")
    assert run.submit() == 0
    run.seconds = 0.01
    run.order(1, "raise")
    assert run.submit("overwrite=[probe]") == 1
    run.step.paths.done(0).write_text(run.step.paths.done(1).read_text().replace('"chunk": 1', '"chunk": 0'))
    told = slurm(run, "explain", "step=probe", "chunk=0")
    assert "chunk 0: stale" in told
    assert "config.seconds: 0.0 → 0.01" in told


def test_status_says_that_a_step_was_made_from_an_earlier_input(tmp_path: Path) -> None:
    run = ProbeRun(tmp_path, 2, "cluster.executor=debug", "chunks.n=1", "items.workers=1")
    assert run.submit_chain() == 0
    assert "earlier" not in slurm(run, "status")
    run.seconds = 0.01
    assert run.submit("overwrite=[probe]") == 0
    assert "second: made from an earlier probe" in slurm(run, "status")


@pytest.mark.parametrize("chunk", [0, 1])
def test_logs_show_the_end_of_the_last_attempts_log(run: ProbeRun, chunk: int) -> None:
    told = slurm(run, "logs", "step=probe", f"chunk={chunk}", "lines=200")
    assert told.startswith(f"==> {run.step.paths.logs}")
    assert "the test said so" in told if chunk else "chunk 0 done: 3 in, 1 failed" in told


def test_cancel_of_a_run_that_is_not_queued_says_so(run: ProbeRun) -> None:
    assert slurm(run, "cancel") == "ingest: nothing in the queue\nprobe: nothing in the queue\n"


def test_resume_mends_sets_aside_and_forces(tmp_path: Path) -> None:
    run = ProbeRun(tmp_path, 2, "cluster.executor=local", "chunks.size=1", "items.workers=1")
    run.order(1, "raise")
    assert run.submit() == 1
    words = ("slurm", "resume", "run=r", f"runs={run.runs}")
    second = command(*words)
    assert second.returncode == 1
    assert "1 again after exception: RuntimeError: the test said so" in second.stdout
    assert "chunk 1 not done: failed twice alike" in second.stdout
    assert "1 chunks are set aside" in slurm(run, "status")
    (run.folder / f"{run.names[1]}.raise").unlink()
    forced = command(*words, "force=true", "cluster.minutes=7")
    assert (forced.returncode, forced.stderr) == (0, "")
    assert "probe: 2/2 chunks done" in forced.stdout
    assert run.table().equals(run.expected())


def test_watch_ends_when_everything_is_done(tmp_path: Path) -> None:
    run = ProbeRun(tmp_path, 2, "cluster.executor=debug", "chunks.n=1")
    assert run.submit() == 0
    assert "probe: 1/1 chunks done" in slurm(run, "watch", "every=1")


def test_help_lists_the_commands() -> None:
    told = command("slurm")
    assert told.returncode == 0
    assert all(f"python -m slurm {word} " in told.stdout for word in ("status", "resume", "watch", "explain", "cancel"))


def test_status_sums_what_a_stage_counted_over_its_chunks(tmp_path: Path) -> None:
    made = ProbeRun(tmp_path, 4, "cluster.executor=debug", "chunks.size=2", "items.workers=1")
    assert made.submit() == 0
    for done in made.step.all_done():
        made.step.finish(done._replace(counters={"tokens_in": 1000.0 + done.chunk, "most_queued": 5.0 - done.chunk}))
    assert "probe: tokens_in 2,001, most_queued 5" in slurm(made, "status")
    assert "tokens_in 1,001" in slurm(made, "explain", "step=probe", "chunk=1")


def test_control_characters_of_a_catalogue_or_a_log_are_shown_and_not_obeyed(tmp_path: Path) -> None:
    run = ProbeRun(tmp_path, 1, "cluster.executor=local", "chunks.n=1")
    run.order(0, "raise")
    assert run.submit() == 1
    (attempt,) = run.step.paths.attempts_at(0).glob("*.jsonl")
    attempt.write_text(attempt.read_text().replace("the test said so", "a name with \\u001b]0;title\\u0007 in it"))
    log = Path(run.survey().past[0][-1].log)
    log.write_text("a line with \x1b[2J in it\n")
    words = ("run=r", f"runs={run.runs}")
    assert command("slurm", "logs", *words, "step=probe", "chunk=0").stdout.endswith("a line with \\x1b[2J in it\n")
    for told in (
        command("slurm", "status", *words).stdout,
        command("slurm", "explain", *words, "step=probe", "chunk=0").stdout,
        command("slurm", "resume", *words).stdout,
    ):
        assert r"a name with \x1b]0;title\x07 in it" in " ".join(told.split())
        assert "\x1b" not in told
