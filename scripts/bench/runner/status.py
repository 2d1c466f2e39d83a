"""`python -m slurm status` and `resume`, whole commands, of a step of 100,000 chunks: done, failed and running ones.

Nothing is left to submit, so that resume only reads and decides. The step is made first, which takes a minute.
"""

from collections.abc import Iterator
from pathlib import Path

from scripts.bench.inputs.runs import many
from scripts.bench.lines import Line, costs, ran


def measure(folder: Path, *, chunks: int = 100_000, times: int = 3, small: bool = False) -> Iterator[Line]:
    chunks, times = (60, 1) if small else (chunks, times)
    status, resume = (("-m", "slurm", verb, "run=bench", f"runs={folder}") for verb in ("status", "resume"))
    if not (folder / "bench").exists():
        many(folder, chunks)
        first = ran(*status)
        assert f"{chunks // 20 * 16:,} of {chunks:,}" in first.output, first.output
        yield from costs(f"status of {chunks:,} chunks, first look", [first])
    looks = [ran(*status) for _ in range(times)]
    yield from costs(f"status of {chunks:,} chunks, second look", looks, 2.0, 1.0, 0.5)
    # status 1: chunks are set aside
    resumes = [ran(*resume, statuses=(1,)) for _ in range(times)]
    assert f"{chunks // 20 * 16}/{chunks} chunks done" in resumes[0].output, resumes[0].output
    yield from costs(f"resume of {chunks:,} chunks, with nothing to submit", resumes, 5.0, against=1.05)
