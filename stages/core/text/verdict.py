"""What is accepted of a model's answer: `RejectedError` says what is wrong with it, by one of a few codes.

Judged by how the answer ended and what stands in it, never by the text of an exception.
"""

import json
from collections import Counter
from collections.abc import Callable, Sequence
from functools import cache
from itertools import groupby
from operator import eq
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from slurm.errors import InputError, ItemError
from slurm.pool.wire import Reply

DETAIL_CHARACTERS = 200  # of an answer, in the error of its row
REPEATED_CHARACTERS = 1500  # of a rejected answer, shown to the model again: one that loops would fill its context
LOOP_TIMES, LOOP_WORDS = 4, 12  # a phrase so often in a row is a loop, if it is so many words in all
LONGEST_PHRASE_WORDS = 40
SENTENCE_WORDS = 4  # shorter ones may return
LEAST_CHARACTERS = 20  # of less than that the language is not judged
UNLIKELY = 0.005  # probability of the wanted language
LIKELY = 0.5  # … beside that of another one
COMMON = "en"
NO_LANGUAGE = "zxx"  # py3langid's class of what is no language: numbers, names of files

Model = TypeVar("Model", bound=BaseModel)


class RejectedError(Exception):
    """An answer that is not accepted. `why` is said to the model when it is asked again; `final`: it is not asked.

    `otherwise` is the value that is taken all the same where the last answer is no better.
    """

    def __init__(self, code: str, why: str, *, final: bool = False, otherwise: object = None) -> None:
        super().__init__(code, why)
        self.code, self.why, self.final, self.otherwise = code, why, final, otherwise

    def conversation(self, reply: Reply) -> tuple[str, str]:
        """The answer and what is said of it, as the turns that follow the prompt."""
        return reply.text[:REPEATED_CHARACTERS], f"This was not accepted: {self.why}. Answer again."

    def item_error(self, reply: Reply) -> ItemError:
        return ItemError(self.code, f"{self.why}: {reply.text[:DETAIL_CHARACTERS]!r}")


def whole(reply: Reply) -> str:
    """The text of an answer that came to its end. Raises RejectedError refused, truncated or empty."""
    if reply.finish == "refused":
        raise RejectedError("refused", "the server says that the model refused", final=True)
    if reply.finish == "length":
        raise RejectedError("truncated", f"longer than the {reply.tokens_out or 'allowed'} tokens: be shorter")
    if not reply.text.strip():
        raise RejectedError("empty", "there is nothing in it")
    return reply.text.strip()


def read_model(reply: Reply, kind: type[Model]) -> Model:
    """The answer as this model. Raises RejectedError invalid_json or schema, and what `whole` raises.

    Servers ignore bounds of a schema (TGI: minimum, maximum, uniqueItems), so all of it is checked here again.
    """
    try:
        values = json.loads(unfenced(whole(reply)), parse_constant=refuse_constant)
    except (ValueError, RecursionError) as error:
        raise RejectedError("invalid_json", f"it is no JSON: {error}") from error
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        first, more = error.errors(include_url=False)[0], error.error_count() - 1
        place = ".".join(map(str, first["loc"])) or "the answer"
        others = f", and {more} more" if more else ""
        raise RejectedError("schema", f"{place}: {first['msg']}{others}") from error


def refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is no number of JSON")


def unfenced(text: str) -> str:
    """The text without the fence of Markdown that models like to put around JSON."""
    if not text.startswith("```") or not text.endswith("```"):
        return text
    return text[3:-3].removeprefix("json").strip()


def check_text(text: str, language: str | None, refusals: Sequence[str]) -> None:
    """Raises RejectedError if a text is a refusal, a loop, or surely in another language (an ISO 639 code)."""
    beginning = text.replace("’", "'").lstrip(" \"'*_#>\n").casefold()
    if phrase := next((phrase for phrase in refusals if beginning.startswith(phrase)), None):
        raise RejectedError("refused", f"it begins like a refusal ({phrase})", final=True)
    if loop := find_loop(text):
        raise RejectedError("repetition", f"it repeats itself ({loop[:60]})")
    if language is not None and (other := find_other_language(text, language)):
        raise RejectedError("wrong_language", f"it is in the language {other}, not in {language}")


def read_phrases(path: Path, key: str = "refusals") -> list[str]:
    """The phrases of a file, one a line, in lower case; a line that begins with # is a comment. Raises InputError.

    `key` is what names the file in the config.
    """
    try:
        lines = path.read_text().splitlines()
    except OSError as error:
        raise InputError(f"{key}={path} cannot be read: {error.strerror} (seen from {Path.cwd()})") from error
    return [line.strip().casefold() for line in lines if line.strip() and not line.startswith("#")]


def find_loop(text: str) -> str | None:
    """A phrase that the text repeats again and again, or a sentence that stands in it so often; None without one."""
    words = text.split()
    if len(text) > 12 * max(1, len(words)):  # a script without spaces
        words = list(text)
    for length in range(1, min(LONGEST_PHRASE_WORDS, len(words) // 2) + 1):
        at = 0
        for same, run in groupby(map(eq, words, words[length:])):
            count = sum(1 for _ in run)
            if same and count >= (LOOP_TIMES - 1) * length and count + length >= LOOP_WORDS:
                return " ".join(words[at : at + length])
            at += count
    sentences = Counter(
        " ".join(sentence.split()).strip(".").casefold() for line in text.splitlines() for sentence in line.split(". ")
    )
    often = [sentence for sentence, times in sentences.items() if times >= LOOP_TIMES]
    return next((sentence for sentence in often if len(sentence.split()) >= SENTENCE_WORDS), None)


def find_other_language(text: str, wanted: str) -> str | None:
    """The language (ISO 639 code) of a text that is surely not in the wanted one; None if it may be."""
    if len(text.encode()) < LEAST_CHARACTERS:
        return None
    ranked = identifier()(text)
    best, probability = ranked[0]
    if best in (wanted, NO_LANGUAGE) or probability < LIKELY or dict(ranked).get(wanted, 1.0) >= UNLIKELY:
        return None
    return best


def check_language(language: str | None) -> None:
    """Raises InputError for a code by which no text can be judged."""
    if language in (None, COMMON):
        return  # without the second that the model takes to load
    if language not in {name for name, _ in identifier()("") if name != NO_LANGUAGE}:
        raise InputError(
            f"language={language} is no code by which answers can be judged: say an ISO 639 code, as en, de or zh, or "
            f"null for any language"
        )


@cache
def identifier() -> Callable[[str], list[tuple[str, float]]]:
    """py3langid's model: it gives the probabilities of all languages, the likeliest first. Takes a second to load."""
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    rank: Callable[[str], list[tuple[str, float]]] = LanguageIdentifier.from_model_file(
        MODEL_FILE, norm_probs=True
    ).rank
    return rank
