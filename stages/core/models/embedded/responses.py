"""Response bodies of TGI's API."""

import time
from typing import Any

from stages.core.models.embedded.api import GenerationRequest
from stages.core.models.embedded.decoding import Answer
from stages.core.models.embedded.vocabulary import Vocabulary


def generate_body(request: GenerationRequest, answer: Answer, vocabulary: Vocabulary) -> dict[str, Any]:
    """The response of /generate."""
    text = f"{request.prompt}{answer.text}" if request.full_text else answer.text
    if not request.details:
        return {"generated_text": text}
    token_texts = zip(answer.tokens, vocabulary.token_texts(answer.tokens), answer.logprobs, strict=True)
    tokens = [
        {"id": token, "text": piece, "logprob": logprob, "special": token in vocabulary.special}
        for token, piece, logprob in token_texts
    ]
    details = {
        "finish_reason": answer.finish,
        "generated_tokens": len(tokens),
        "seed": answer.seed,
        "prefill": [],
        "tokens": tokens,
    }
    return {"generated_text": text, "details": details}


def chat_body(
    request: GenerationRequest, answer: Answer, vocabulary: Vocabulary, model_id: str, length: int
) -> dict[str, Any]:
    """The response of /v1/chat/completions to a prompt of `length` tokens."""
    logprobs = None
    if request.details:
        token_texts = zip(vocabulary.token_texts(answer.tokens), answer.logprobs, strict=True)
        content = [{"token": piece, "logprob": logprob, "top_logprobs": []} for piece, logprob in token_texts]
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
