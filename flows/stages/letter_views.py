"""A letter as a person asks for it: the shipment, where it is by the carrier's word, and whether it came back."""

from collections.abc import Sequence
from datetime import datetime

from pydantic import BaseModel, ConfigDict

from cards.errors import Refused
from flows.house import House
from shipping.models import Shipment, ShipmentState
from shipping.returns import LetterReturn
from shipping.tracking import TrackingEvent, Whereabouts, delivered_at, whereabouts
from store.database import UnitOfWork

BACK = "back"  # in our hands by a scan, whatever the carrier says


class LetterView(BaseModel):
    """`where`: one of `Whereabouts` for a posted letter, `back` once it was scanned as such, None before it left."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    shipment: Shipment
    events: tuple[TrackingEvent, ...]
    came_back: LetterReturn | None
    where: str | None
    delivered_at: datetime | None


def letter_view(house: House, shipment_id: str) -> LetterView:
    """One letter. Raises Refused `shipment.unknown`."""
    with house.store.read() as uow:
        return _views(uow, [uow.shipments.get(shipment_id)])[0]


def list_letters(house: House, *, state: str | None = None, at: str | None = None) -> list[LetterView]:
    """All letters by id, or those in a state or at a place. Raises Refused `shipment.unknown_state`."""
    _refuse_unknown(state, [each.value for each in ShipmentState], "--state")
    _refuse_unknown(at, [*(each.value for each in Whereabouts), BACK], "--at")
    with house.store.read() as uow:
        letters = uow.shipments.in_state(ShipmentState(state)) if state else uow.shipments.all()
        return [view for view in _views(uow, letters) if at in (None, view.where)]


def _refuse_unknown(given: str | None, known: Sequence[str], field: str) -> None:
    if given is not None and given not in known:
        raise Refused(
            "shipment.unknown_state", f"no letter is {given!r}", field=field, fix=f"name one of {', '.join(known)}"
        )


def _views(uow: UnitOfWork, letters: Sequence[Shipment]) -> list[LetterView]:
    seen = uow.tracking.of([letter.booking for letter in letters if letter.booking])
    back = {each.shipment_id: each for each in uow.returns.all()}
    return [_view(letter, seen.get(letter.booking or "", []), back.get(letter.shipment_id)) for letter in letters]


def _view(letter: Shipment, events: list[TrackingEvent], came_back: LetterReturn | None) -> LetterView:
    carried = whereabouts(events).value if letter.state is ShipmentState.POSTED else None
    return LetterView(
        shipment=letter,
        events=tuple(events),
        came_back=came_back,
        where=BACK if came_back else carried,
        delivered_at=delivered_at(events),
    )
