"""The bench: which encoders a run has, which part of a tray each of them gets, and what persons do to them.

A run is dealt into one part an encoder, in tray order and in the order of HSECARD_ENCODERS: with two encoders and ten
cards, places 1–5 lie in the first one's tray and 6–10 in the second one's. So each tray is emptied from its top, and
the run sheet cut in as many parts says what lies where. What an encoder leaves behind goes to the others.
"""

import itertools
import os
import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeVar

from cards.batch import Batch, BatchCard
from cards.errors import Refused, Unavailable
from chip.ports import Encoder
from flows.house import House
from store.database import UnitOfWork
from store.encoding import EncoderRow, EncoderState, Quarantine, QuarantineState

_runs = itertools.count(1)
Done = TypeVar("Done")


@dataclass
class Bench:
    """The encoders that one run has. `out` are those it lost on the way: stopped, unplugged, in other hands."""

    house: House
    holder: str
    encoders: tuple[Encoder, ...]
    out: set[str] = field(default_factory=set)

    def able(self) -> list[str]:
        """The names of those that still work, in bench order."""
        return [encoder.name for encoder in self.encoders if encoder.name not in self.out]

    def keep(self, uow: UnitOfWork, name: str) -> None:
        """Have the encoder for as long again. Raises Unavailable `encoder.stopped`, `encoder.in_use`."""
        if not uow.encoding.claim(name, self.holder, _until(self.house)):
            raise _not_ours(uow.encoding.encoder(name))


@contextmanager
def bench(house: House) -> Iterator[Bench]:
    """Every encoder of the house that runs and that nobody else has, for the length of the context.

    Raises Unavailable `encoder.stopped` or `encoder.in_use` when that is none.
    """
    holder = f"{platform.node()}/{os.getpid()}/{next(_runs)}"
    with house.store.begin() as uow:
        claimed = tuple(e for e in house.encoders if uow.encoding.claim(e.name, holder, _until(house)))
        if not claimed:
            raise _not_ours(uow.encoding.encoder(house.encoders[0].name))
    try:
        yield Bench(house, holder, claimed)
    finally:
        with house.store.begin() as uow:
            for encoder in claimed:
                uow.encoding.let_go(encoder.name, holder)


def _until(house: House) -> datetime:
    return house.clock.now() + timedelta(seconds=house.settings.lease_s)


def _not_ours(row: EncoderRow) -> Unavailable:
    if row.state is EncoderState.STOPPED:
        return Unavailable(
            "encoder.stopped",
            f"{row.name} is stopped: {row.why}",
            fix=f"see to it, try a sample card, then start it with `hsecard encoders start '{row.name}'`",
        )
    until = f" until {row.held_until:%H:%M:%S} UTC" if row.held_until else ""
    return Unavailable(
        "encoder.in_use",
        f"another run has {row.name}{until}",
        fix="wait for it; if that run is dead, free it with `hsecard encoders start`",
    )


# --- dealing a run -----------------------------------------------------------------------------------------------


def parts(count: int, names: Sequence[str]) -> dict[str, range]:
    """How `count` cards in tray order are dealt: the indices, from 0, of each encoder's tray."""
    size = -(-count // len(names))
    return {name: range(min(at * size, count), min((at + 1) * size, count)) for at, name in enumerate(names)}


def deal(
    house: House,
    batch: Batch,
    waiting: Sequence[BatchCard],
    *,
    able: Sequence[str],
    tried: Mapping[str, frozenset[str]] | None = None,
) -> dict[str, list[BatchCard]]:
    """What waits, by the encoder that is to take it: its own tray first, in tray order.

    A card that its encoder could not finish goes to one that has not tried it. The tray of an encoder that is not
    able is dealt out among the others.
    """
    if not able:
        return {}
    order = {place.position: index for index, place in enumerate(batch.cards)}
    homes = {
        index: name for name, part in parts(len(order), [e.name for e in house.encoders]).items() for index in part
    }
    shares: dict[str, list[BatchCard]] = {name: [] for name in able}
    homeless: list[BatchCard] = []
    for place in waiting:
        failed = (tried or {}).get(place.card_id, frozenset())
        fresh = [name for name in able if name not in failed] or list(able)
        home = homes[order[place.position]]
        if home in fresh:
            shares[home].append(place)
        elif len(fresh) < len(able):
            shares[fresh[0]].append(place)
        else:
            homeless.append(place)
    for name, part in parts(len(homeless), able).items():
        shares[name] += [homeless[index] for index in part]
    return {name: sorted(share, key=lambda place: place.position) for name, share in shares.items() if share}


def abreast(
    work: Callable[[Encoder, list[BatchCard]], Done], desk: Bench, shares: Mapping[str, list[BatchCard]]
) -> list[Done]:
    """Every encoder works through its share at once, one thread each; alone, in this thread. What a share raises
    beyond what `work` catches is raised when all have ended."""
    jobs = [(encoder, shares[encoder.name]) for encoder in desk.encoders if encoder.name in shares]
    if len(jobs) <= 1:  # none when somebody else took the cards meanwhile
        return [work(*job) for job in jobs]
    with ThreadPoolExecutor(len(jobs), thread_name_prefix="encoder") as threads:
        under_way = [threads.submit(work, *job) for job in jobs]
    return [job.result() for job in under_way]


# --- what persons do ---------------------------------------------------------------------------------------------


def encoders_of(house: House) -> list[EncoderRow]:
    """Every encoder of the bench, as it stands."""
    with house.store.read() as uow:
        return [uow.encoding.encoder(encoder.name) for encoder in house.encoders]


def start_encoder(house: House, name: str) -> EncoderRow:
    """Let a stopped encoder work again, or free one whose run has died. Raises Refused `encoder.unknown`."""
    _refuse_unknown(house, name)
    with house.store.begin() as uow:
        uow.encoding.start(name, by=house.actor)
        return uow.encoding.encoder(name)


def stop_encoder(house: House, name: str, *, why: str) -> EncoderRow:
    """No card after the one that it works on now. Raises Refused `encoder.unknown`."""
    _refuse_unknown(house, name)
    with house.store.begin() as uow:
        uow.encoding.stop(name, why=why, by=house.actor)
        return uow.encoding.encoder(name)


def _refuse_unknown(house: House, name: str) -> None:
    names = [encoder.name for encoder in house.encoders]
    if name not in names:
        raise Refused(
            "encoder.unknown",
            f"there is no encoder {name!r} here",
            field="NAME",
            fix=f"name one of: {', '.join(names)}",
        )


def release_chip(house: House, card_id: str, *, by: str, why: str | None) -> Quarantine:
    """Two persons let a card out of quarantine: the first asks and says why, the second grants it; then it waits to be
    encoded again. Raises Refused `chip.not_quarantined`, `chip.why_release`, `chip.same_person`.
    """
    with house.store.begin() as uow:
        found = uow.encoding.quarantined(card_id)
        if found is None:
            raise Refused(
                "chip.not_quarantined", f"card {card_id} is not in quarantine", fix="nothing needs to be done"
            )
        if found.state is QuarantineState.OPEN:
            if not (why or "").strip():
                raise Refused(
                    "chip.why_release", "a release says why", field="--why", fix="say what was found out about the chip"
                )
            uow.encoding.ask_release(card_id, by=by, why=str(why).strip())
            return uow.encoding.quarantined(card_id) or found
        uow.encoding.release(card_id, by=by)
        uow.cards.release(card_id, actor=by)
        return found.model_copy(update={"state": QuarantineState.RELEASED, "released_by": by})
