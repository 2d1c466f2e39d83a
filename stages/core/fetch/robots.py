"""What a server's X-Robots-Tag headers say of the use of a file or page, in general and to us.

https://developers.google.com/search/docs/crawling-indexing/robots-meta-tag for its form, noai and noimageai as image
sites write them.
"""

from collections.abc import Collection, Iterable

USER_AGENT = "reelmill"
TIMED = "unavailable_after"  # whose value has colons and commas
IMPLIED = {"none": ("noindex", "nofollow")}


def find_opt_out(headers: Iterable[str], directives: Collection[str]) -> str | None:
    """The first of the directives that a header says to everybody or to our user agent; None if none does.

    A header names the agent that it is for before a colon: `otherbot: noindex, nofollow`.
    """
    for header in headers:
        to_us = True
        for part in header.lower().split(","):
            agent, colon, word = part.rpartition(":")
            if colon and agent.strip() != TIMED and TIMED not in agent:
                to_us = agent.strip() in (USER_AGENT, "*")
            word = word.strip()
            if to_us and (found := set(IMPLIED.get(word, (word,))) & set(directives)):
                return min(found)
    return None
