"""How many tokens a request cost, where the server does not say."""

from slurm.pool.wire import Prompt, Reply
from stages.core.text.prompts import BYTES_PER_TOKEN

PICTURE_TOKENS = 256  # of a picture, about


def tokens_of(reply: Reply, prompt: Prompt) -> tuple[int, int]:
    """The tokens that a reply cost, in and out; about so many where the server does not report them."""
    told = reply.tokens_in, reply.tokens_out
    return (
        tokens_in(prompt) if told[0] is None else told[0],
        len(reply.text.encode()) // BYTES_PER_TOKEN if told[1] is None else told[1],
    )


def tokens_in(prompt: Prompt) -> int:
    """About so many tokens a prompt has."""
    words = sum(len(text.encode()) for _, text in prompt.turns) // BYTES_PER_TOKEN
    return words + len(prompt.images) * PICTURE_TOKENS
