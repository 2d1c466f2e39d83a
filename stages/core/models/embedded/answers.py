"""Answers as the bodies of TGI's API."""

import time
from typing import Any

from stages.core.models.embedded.api import Ask
from stages.core.models.embedded.decoding import Answer
from stages.core.models.embedded.vocabulary import Vocabulary


def generated(ask: Ask, answer: Answer, vocabulary: Vocabulary) -> dict[str, Any]:
    """The answer of /generate."""
    text = f"{ask.prompt}{answer.text}" if ask.full_text else answer.text
    if not ask.pieces:
        return {"generated_text": text}
    pieces = zip(answer.tokens, vocabulary.pieces(answer.tokens), answer.logprobs, strict=True)
    tokens = [
        {"id": token, "text": piece, "logprob": logprob, "special": token in vocabulary.special}
        for token, piece, logprob in pieces
    ]
    details = {
        "finish_reason": answer.finish,
        "generated_tokens": len(tokens),
        "seed": answer.seed,
        "prefill": [],
        "tokens": tokens,
    }
    return {"generated_text": text, "details": details}


def chat(ask: Ask, answer: Answer, vocabulary: Vocabulary, model_id: str, length: int) -> dict[str, Any]:
    """The answer of /v1/chat/completions to a prompt of `length` tokens."""
    logprobs = None
    if ask.pieces:
        pieces = zip(vocabulary.pieces(answer.tokens), answer.logprobs, strict=True)
        content = [{"token": piece, "logprob": logprob, "top_logprobs": []} for piece, logprob in pieces]
        logprobs = {"content": content}
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": answer.text},
        "logprobs": logprobs,
        "finish_reason": "stop" if answer.finish == "eos_token" else answer.finish,
    }
    new = len(answer.tokens)
    return {
        "object": "chat.completion",
        "id": "",
        "created": int(time.time()),
        "model": model_id,
        "system_fingerprint": "reelmill-embedded",
        "choices": [choice],
        "usage": {"prompt_tokens": length, "completion_tokens": new, "total_tokens": length + new},
    }
