"""The columns that tell how a text was made: by which model, with which prompt, at what cost."""

from collections.abc import Sequence

from stages.core.schema.types import Row
from stages.core.text.client import Answer
from stages.core.text.metrics import known_sum


def made_by(prefix: str, answers: Sequence[Answer], prompt: str) -> Row:
    """The columns `made(prefix)` of a text that these answers are; `prompt`: the hash of their template."""
    last = answers[-1]
    return {
        f"{prefix}_model": last.model,
        f"{prefix}_revision": last.revision,
        f"{prefix}_prompt": prompt,
        f"{prefix}_tokens_in": known_sum([answer.tokens_in for answer in answers]),
        f"{prefix}_tokens_out": known_sum([answer.tokens_out for answer in answers]),
        f"{prefix}_tries": sum(answer.tries for answer in answers),
        f"{prefix}_s": sum(answer.latency_s for answer in answers),
        f"{prefix}_replica": last.replica,
    }
