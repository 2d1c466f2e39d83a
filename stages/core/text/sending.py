"""One request to one server of a pool, and what came back: a reply, or what failed."""

import json
from secrets import token_hex
from urllib.parse import quote

import aiohttp

from slurm.errors import ItemError
from slurm.pool.wire import GarbledError, Prompt, Reply, call, reply
from stages.core.text.balancer import Server

REQUEST_ID = "X-Request-Id"  # a header that some servers repeat in their answer (ours, vLLM): whose answer it is
KEY_CHARACTERS = 100
PROMPT_TOKENS = "x-prompt-tokens"  # a header of TGI's answers from /generate, whose body does not say it


class OverloadedError(Exception):
    """The server is overloaded (429)."""


class ServerFailedError(Exception):
    """The server failed (5xx, 401); another one may work."""


class GenerationFailedError(Exception):
    """Generation failed for this prompt (424)."""


async def send(session: aiohttp.ClientSession, server: Server, prompt: Prompt, route: str, key: str) -> Reply:
    """The reply of one server to a prompt about the item `key`. Raises aiohttp's errors, GarbledError, and by status
    OverloadedError (429), GenerationFailedError (424), ItemError prompt_refused (400, 404, 413, 422), else
    ServerFailedError.
    """
    who = server.replica
    request = call(prompt, who.dialect, route, who.model)
    request_id = f"{quote(key, safe='')[:KEY_CHARACTERS]}.{token_hex(4)}"  # vLLM wants each request's to be its own
    body = json.dumps(request.body).encode()
    async with session.post(who.url + request.path, data=body, headers={REQUEST_ID: request_id}) as response:
        text = await response.read()
        repeated = response.headers.get(REQUEST_ID, request_id)
        tokens_in = response.headers.get(PROMPT_TOKENS, "")
    match response.status:
        case 200:
            if repeated != request_id:
                raise GarbledError(f"an answer to request {repeated}, not to {request_id}")
            read = parse_reply(prompt, who.dialect, request.path, text)
            return read._replace(tokens_in=int(tokens_in)) if read.tokens_in is None and tokens_in.isdigit() else read
        case 429:
            raise OverloadedError
        case 424:
            raise GenerationFailedError(decode_error(text))
        case 400 | 404 | 413 | 422:
            raise ItemError("prompt_refused", f"{response.status}: {decode_error(text)}")
        case status:
            raise ServerFailedError(f"{status}: {decode_error(text)}")


def parse_reply(prompt: Prompt, dialect: str, path: str, text: bytes) -> Reply:
    try:
        return reply(prompt, dialect, path, json.loads(text))
    except (ValueError, RecursionError) as error:
        raise GarbledError(f"not JSON: {text[:200]!r}") from error


def decode_error(text: bytes) -> str:
    return text[:500].decode(errors="replace")
