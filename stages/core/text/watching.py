"""What a client does beside its requests: it keeps up with the servers of its pool, and with the run's budget."""

import asyncio
import logging
import time

from slurm.errors import ClusterError, UnavailableError
from slurm.pool.launch import ensure, hopeless
from slurm.pool.registry import BEAT_S, PoolFolder
from slurm.pool.spending import Purse
from stages.core.text.balancer import LoadBalancer
from stages.core.text.metrics import ClientMetrics

REFRESH_S = 2.0
WAKE_S = 0.1
ENSURE_S = 10.0

log = logging.getLogger("reelmill")


class PoolWatcher:
    """Of the client with this name."""

    def __init__(
        self, folder: PoolFolder, client: str, balancer: LoadBalancer, metrics: ClientMetrics, purse: Purse
    ) -> None:
        self.folder, self.client, self.balancer, self.metrics, self.purse = folder, client, balancer, metrics, purse

    async def watch(self) -> None:
        """Keeps the list of servers current, this client registered, the pool started and the spending known.

        Raises UnavailableError.
        """
        pool = self.folder.settings.pool
        beat_s = ensured_s = float("-inf")
        while True:
            now_s = time.monotonic()
            self.balancer.update(await asyncio.to_thread(self.folder.replicas))
            beats = now_s - beat_s >= BEAT_S
            if beats or self.purse.limited:
                await asyncio.to_thread(self.purse.refresh)
            if beats:
                await asyncio.to_thread(self.folder.beat_client, self.client)
                beat_s = now_s
            if not self.balancer.servers and now_s - ensured_s >= ENSURE_S:
                await asyncio.to_thread(self._start_missing)
                ensured_s = now_s
            if now_s - self.metrics.answered_s > pool.wait_minutes * 60:
                raise UnavailableError(
                    f"pool {self.folder} gave no answer for pool.wait_minutes={pool.wait_minutes:g}: "
                    f"python -m slurm serve run={self.folder.run.name} pool={self.folder.name} status"
                )
            self.metrics.log_progress(self.balancer)
            for _ in range(round(REFRESH_S / WAKE_S)):
                await asyncio.sleep(WAKE_S)
                self.balancer.wake()

    def _start_missing(self) -> None:
        """Starts the pool's replicas if there are none. Raises UnavailableError if they keep failing to start."""
        if reason := hopeless(self.folder):
            raise UnavailableError(f"pool {self.folder} does not start: {reason}")
        try:
            ensure(self.folder)
        except ClusterError as error:  # this node cannot submit jobs; others may
            log.warning("%s", error)
