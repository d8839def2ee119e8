"""How the house tells the orchestrator that something happened. A bell may ring twice, or never: nothing depends on it.

The truth is in the database; a schedule catches what a lost event missed.
"""

import os
from dataclasses import dataclass, field
from typing import Protocol

from cards.errors import Unavailable

CHIP_FAULTY = "card.chip.faulty"
RESOURCE = "fault-report"  # one event a report, however many cards it names


class Doorbell(Protocol):
    """Rings with the name of an event and what it is about. Never carries personal data."""

    def ring(self, event: str, subject: str) -> None:
        """Tell it. Raises Unavailable (`bell.unavailable`)."""
        ...


@dataclass
class QuietBell:
    """The twin: remembers what it was asked to say. Also what runs where no Prefect server is."""

    rung: list[tuple[str, str]] = field(default_factory=list)

    def ring(self, event: str, subject: str) -> None:
        self.rung.append((event, subject))


class PrefectBell:
    """Emits a Prefect event about the resource `fault-report.<subject>`; the automation listens for it."""

    def ring(self, event: str, subject: str) -> None:
        from prefect.events import emit_event  # noqa: PLC0415 -- importing Prefect costs two seconds

        resource = {"prefect.resource.id": f"{RESOURCE}.{subject}"}
        emitted = emit_event(event, resource=resource, payload={"report_id": subject})
        if emitted is None:
            raise Unavailable("bell.unavailable", "Prefect took no event", fix="the reissue schedule catches it")


def open_doorbell() -> Doorbell:
    """Prefect's, when this process is told where its server is; otherwise the quiet one."""
    return PrefectBell() if os.environ.get("PREFECT_API_URL") else QuietBell()
