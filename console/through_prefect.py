"""The day through real Prefect flows, on a server that lives as long as this process: for `day --flow` and the demo.

Prefect reads its variables when it is imported, so they are set here first. With no address of a running server given,
Prefect starts one of its own beside the flows.
"""
# ruff: noqa: PLC0415 -- Prefect may only be reached once its variables are set

import asyncio
import os
import sys

from cards.errors import HseCardError, Unavailable
from flows.house import House
from flows.serve import prefect_environment
from flows.stages.line import Tally


def run_day_flow(house: House, *, inbox: str | None, by: str) -> Tally:
    """The `day` flow over `house`. Raises Unavailable `prefect.unavailable` when Prefect itself fails."""
    _set_up(house)
    from flows.conduct import using
    from flows.day import DayRequest, day

    try:
        with using(house):
            closing = asyncio.run(day(DayRequest(by=by, inbox=inbox)))
    except HseCardError:
        raise
    except Exception as fault:
        sys.stderr.write(f"{type(fault).__name__}: {fault}\n")
        raise Unavailable(
            "prefect.unavailable",
            "Prefect could not run the day",
            fix="run `hsecard day` without --flow, which needs no Prefect; then look at the words above",
        ) from fault
    return closing if isinstance(closing, Tally) else Tally()


def _set_up(house: House) -> None:
    """Quiet, offline, and with a server of this process's own; an operator's server (`serve`) is left alone."""
    environment = prefect_environment(house.settings)
    del environment["PREFECT_API_URL"]
    environment |= {
        "PREFECT_HOME": str(house.settings.home.resolve() / "prefect-own"),
        "PREFECT_SERVER_DATABASE_CONNECTION_URL": f"sqlite+aiosqlite:///{_database(house)}",
        "PREFECT_SERVER_EPHEMERAL_ENABLED": "true",
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
        "PREFECT_LOGGING_LEVEL": "ERROR",
        "PREFECT_SERVER_LOGGING_LEVEL": "ERROR",
    }
    os.environ.pop("PREFECT_API_URL", None)
    os.environ.update(environment)


def _database(house: House) -> str:
    folder = house.settings.home.resolve() / "prefect-own"
    folder.mkdir(parents=True, exist_ok=True)
    return str(folder / "prefect.db")
