"""What goes between a task and a pool: answers, tokens and seconds, for the log and the done record."""

import logging
import time
from dataclasses import dataclass, field

from slurm.pool.wire import Reply
from stages.core.text.fleet import Fleet

LINE_EVERY_S = 60.0

log = logging.getLogger("reelmill")


@dataclass
class Traffic:
    """Counts of one client."""

    pool: str
    answers: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    waited_s: float = 0.0  # of all answers together
    most_queued: int = 0  # requests in the servers' queues, of whoever asked them
    begun_s: float = field(default_factory=time.monotonic)
    answered_s: float = field(default_factory=time.monotonic)  # when the last one came
    _told_s: float = field(default_factory=time.monotonic)

    def count(self, reply: Reply | None, latency_s: float) -> None:
        self.answered_s = time.monotonic()
        self.answers += 1
        self.waited_s += latency_s
        if reply is not None:
            self.tokens_in += reply.tokens_in or 0
            self.tokens_out += reply.tokens_out or 0

    def summary(self) -> dict[str, float]:
        """For the done record."""
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

    def tell(self, fleet: Fleet) -> None:
        """A line in the log, once a minute."""
        queued = sum(server.replica.queued or 0 for server in fleet.servers.values())
        self.most_queued = max(self.most_queued, queued)
        now_s = time.monotonic()
        if now_s - self._told_s < LINE_EVERY_S:
            return
        self._told_s = now_s
        took_s = now_s - self.begun_s
        under_way = sum(server.under_way for server in fleet.servers.values())
        log.info(
            "pool %s: %.2f answers/s, %.0f tokens/s out, %d servers, %d requests under way, %d queued, %.2f s each",
            self.pool,
            self.answers / took_s,
            self.tokens_out / took_s,
            len(fleet.servers),
            under_way,
            queued,
            self.waited_s / max(1, self.answers),
        )
