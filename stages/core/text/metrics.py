"""Metrics of a pool client: answers, tokens and seconds, for the log and the counters of a chunk."""

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from slurm.pool.wire import Reply
from stages.core.text.balancer import LoadBalancer

LINE_EVERY_S = 60.0

log = logging.getLogger("reelmill")


@dataclass
class ClientMetrics:
    """Counters of one client since it started."""

    pool: str
    answers: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    waited_s: float = 0.0  # summed over all answers
    rejected: dict[str, int] = field(default_factory=dict)  # replies that were not accepted, by their error
    most_queued: int = 0  # highest number of requests in the servers' queues, of all clients
    begun_s: float = field(default_factory=time.monotonic)
    answered_s: float = field(default_factory=time.monotonic)  # time of the last answer
    _logged_s: float = field(default_factory=time.monotonic)
    _taken: dict[str, float] = field(default_factory=dict)
    _taken_s: float = field(default_factory=time.monotonic)

    def count_reply(self, reply: Reply) -> None:
        """Counts the tokens of a reply, whether it will be accepted or not."""
        self.tokens_in += reply.tokens_in or 0
        self.tokens_out += reply.tokens_out or 0

    def count_rejected(self, code: str) -> None:
        self.rejected[code] = self.rejected.get(code, 0) + 1

    def count_answer(self, latency_s: float) -> None:
        self.answered_s = time.monotonic()
        self.answers += 1
        self.waited_s += latency_s

    def take(self) -> dict[str, float]:
        """What was counted since the last call, for the chunk's counters; `asking_s` is the time since then."""
        now_s = time.monotonic()
        total = {name: getattr(self, name) for name in ("answers", "tokens_in", "tokens_out", "waited_s")}
        total |= {f"rejected_{code}": count for code, count in self.rejected.items()}
        since = {name: value - self._taken.get(name, 0) for name, value in total.items()}
        asking_s, self._taken, self._taken_s = now_s - self._taken_s, total, now_s
        return {**since, "asking_s": asking_s, "most_queued": self.most_queued}

    def log_progress(self, balancer: LoadBalancer) -> None:
        """Logs a line, at most once per LINE_EVERY_S."""
        queued = sum(server.replica.queued or 0 for server in balancer.servers.values())
        self.most_queued = max(self.most_queued, queued)
        now_s = time.monotonic()
        if now_s - self._logged_s < LINE_EVERY_S:
            return
        self._logged_s = now_s
        took_s = now_s - self.begun_s
        outstanding = sum(server.outstanding for server in balancer.servers.values())
        log.info(
            "pool %s: %.2f answers/s, %.0f tokens/s out, %d servers, %d requests outstanding, %d queued, %.2f s each",
            self.pool,
            self.answers / took_s,
            self.tokens_out / took_s,
            len(balancer.servers),
            outstanding,
            queued,
            self.waited_s / max(1, self.answers),
        )


def known_sum(counts: Sequence[int | None]) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if known else None
