"""Chips from the terminal: a chip read as a door reader would; faults in the field have a module of their own."""
# ruff: noqa: PLC0415 -- the stages bring the heavy rooms along: help must be quick

from typing import TYPE_CHECKING, Annotated, Any

import typer

from cards.errors import Refused
from console import encoders, faults
from console.answer import answer
from console.options import AsJson
from console.show import facts
from console.work import at_work

if TYPE_CHECKING:
    from chip.models import ChipReading
    from flows.house import House
    from store.database import UnitOfWork

app = typer.Typer(no_args_is_help=True, help="Chips: report-fault, recall, cohorts, read, release.")


faults.register(app)
encoders.register_release(app)


@app.command()
def read(
    tray: Annotated[str | None, typer.Option("--tray", metavar="BATCH", help="The tray, named as its batch.")] = None,
    position: Annotated[int | None, typer.Option("--position", min=1, help="The place in the tray.")] = None,
    uid: Annotated[
        str | None, typer.Option("--uid", metavar="HEX", help="Instead: the UID of a chip we wrote.")
    ] = None,
    as_json: AsJson = False,
) -> int:
    """Read a chip as a door reader does and check its signature."""
    with at_work("reader") as house:
        place = _place(house, tray, position, uid)
        reading = _read(house, *place)
    document: dict[str, Any] = {"tray": place[0], "position": place[1], "reading": reading.model_dump(mode="json")}
    pairs = {
        "place": f"{place[0]}, place {place[1]}",
        "UID": reading.uid,
        "card number": reading.card_number,
        "valid until": reading.valid_until,
        "signature": "holds" if reading.signature_valid else "DOES NOT HOLD",
        "key generation": reading.key_generation,
    }
    return answer(document, [facts("Chip", pairs)], as_json=as_json)


def _place(house: "House", tray: str | None, position: int | None, uid: str | None) -> tuple[str, int]:
    """Where the chip lies. Raises Refused `chip.which_chip`, `chip.unknown_uid`, `chip.no_such_place`."""
    if uid is not None and tray is None and position is None:
        return _place_of_uid(house, uid.lower())
    if tray is None or position is None or uid is not None:
        raise Refused("chip.which_chip", "name one chip", fix="give --tray with --position, or --uid alone")
    with house.store.read() as uow:
        places = {place.position for place in uow.batches.get(tray).cards if place.struck is None}
    if position not in places:
        raise Refused(
            "chip.no_such_place",
            f"no card of {tray} lies at place {position}",
            field="--position",
            fix="look at the places with `hsecard batches show`",
        )
    return tray, position


def _place_of_uid(house: "House", uid: str) -> tuple[str, int]:
    with house.store.read() as uow:
        binding = uow.chips.binding(uid) or uow.chips.binding(uid.upper())
        attempts = uow.prints.attempts(binding.card_id) if binding else []
        for attempt in attempts:
            if _uid_written(uow, str(attempt["card_id"]), str(attempt["batch_id"])) == uid:
                return str(attempt["batch_id"]), int(attempt["position"])
    raise Refused(
        "chip.unknown_uid",
        f"no chip {uid} was written by this house",
        field="--uid",
        fix="take the UID from `hsecard cards show`, or read by --tray and --position",
    )


def _uid_written(uow: "UnitOfWork", card_id: str, batch_id: str) -> str | None:
    """The UID that this attempt at the card met; None when it was never encoded."""
    try:
        answered = uow.effects.get(f"encode:{card_id}:{batch_id}").answer or {}
    except Refused:
        return None
    return str(answered.get("uid", "")).lower() or None


def _read(house: "House", tray: str, position: int) -> "ChipReading":
    """Present and read. Raises Unavailable `chip.lost` when the card goes away."""
    from cards.errors import Unavailable
    from chip.errors import ChipLost
    from chip.verify import read_chip

    try:
        with house.encoder.present(tray, position) as transport:
            return read_chip(transport, keys=house.keys, entropy=house.entropy, profile=house.profile)
    except ChipLost:
        raise Unavailable(
            "chip.lost", "the card went away while it was read", fix="present it again and keep it still"
        ) from None
