"""Where the heavy work of a chunk runs: in this process, or in one long-lived pool of processes.

A pool behind thread tasks costs a tenth of a millisecond a card; a task run per card costs a hundred times that.
"""

import multiprocessing
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from threading import Lock
from typing import Protocol, TypeVar

from cards.errors import Unavailable

Job = TypeVar("Job")
Result = TypeVar("Result")


class Engine(Protocol):
    """Runs pure work on many jobs; results come back in the order of the jobs."""

    def map(self, work: Callable[[Job], Result], jobs: Iterable[Job]) -> list[Result]:
        """`[work(job) for job in jobs]`. Jobs and results must pickle. Raises what `work` raises, or Unavailable."""
        ...

    def close(self) -> None:
        """Let the workers go."""
        ...


class Inline:
    """Everything here and now: for tests, the simulator and single cards."""

    def map(self, work: Callable[[Job], Result], jobs: Iterable[Job]) -> list[Result]:
        return [work(job) for job in jobs]

    def close(self) -> None:
        return None


@dataclass
class Processes:
    """One pool for the life of the process, started at the first need; safe to use from several threads."""

    workers: int
    _pool: ProcessPoolExecutor | None = field(default=None, init=False)
    _lock: Lock = field(default_factory=Lock, init=False)

    def map(self, work: Callable[[Job], Result], jobs: Iterable[Job]) -> list[Result]:
        listed = list(jobs)
        try:
            return list(self._started().map(work, listed, chunksize=max(1, min(8, len(listed) // self.workers))))
        except BrokenProcessPool:
            self.close()
            raise Unavailable(
                "engine.worker_died",
                "a worker process died in the middle of a chunk",
                fix="run the flow again; "
                "if it repeats, look for the out-of-memory killer in the system log and lower HSECARD_WORKERS",
            ) from None

    def _started(self) -> ProcessPoolExecutor:
        with self._lock:
            if self._pool is None:
                # forkserver: forking a process that has threads (Prefect's, SQLAlchemy's) may deadlock the child
                context = multiprocessing.get_context("forkserver")
                self._pool = ProcessPoolExecutor(self.workers, mp_context=context)
            return self._pool

    def close(self) -> None:
        with self._lock:
            if self._pool is not None:
                self._pool.shutdown(cancel_futures=True)
                self._pool = None
