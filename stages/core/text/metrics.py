"""Metrics of a pool client: answers, tokens and seconds, for the log and the done record."""

import logging
import time
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
    most_queued: int = 0  # highest number of requests in the servers' queues, of all clients
    begun_s: float = field(default_factory=time.monotonic)
    answered_s: float = field(default_factory=time.monotonic)  # time of the last answer
    _logged_s: float = field(default_factory=time.monotonic)

    def count(self, reply: Reply | None, latency_s: float) -> None:
        self.answered_s = time.monotonic()
        self.answers += 1
        self.waited_s += latency_s
        if reply is not None:
            self.tokens_in += reply.tokens_in or 0
            self.tokens_out += reply.tokens_out or 0

    def summary(self) -> dict[str, float]:
        """The figures for the done record."""
        took_s = time.monotonic() - self.begun_s
        return {
            "answers": self.answers,
            "answers_per_s": round(self.answers / took_s, 3),
            "tokens_in": self.tokens_in,
            "tokens_out": self.tokens_out,
            "tokens_out_per_s": round(self.tokens_out / took_s, 1),
            "latency_s": round(self.waited_s / max(1, self.answers), 3),
            "most_queued": self.most_queued,
        }

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
