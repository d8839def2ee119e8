"""From proved card to planned shipment: grouped by address key, divided and priced by the day's tariff, numbered.

A chunk of addresses is one transaction. What it reads is locked until the shipments made of it are written: of two
planners the second waits and finds what is left, and no address changes between being read and being written down.
"""

from cards.days import oslo_day
from cards.errors import Refused
from cards.life import CardState, Hold, HoldReason
from flows.house import House
from flows.stages.line import Chunk, Problem, Stage, Tally, chunks_of, tally
from shipping.countries import zone_of
from shipping.holding import mail_holds as holds_of
from shipping.models import MailHold, PlannedShipment, Promise, Shipment, ShipmentState, WaitingCard
from shipping.planning import plan
from store.database import UnitOfWork
from store.orders import Destination

KEYS_PER_CHUNK = 250


def mail_holds(house: House) -> list[MailHold]:
    """The addresses whose ready cards wait today for company that is on its way, each with its last day."""
    if house.settings.hold_mail == "never":
        return []
    with house.store.read() as uow:
        coming = uow.cards.coming_to_waiting()
        keys = sorted({order.address_key for order in coming})
        waiting = [
            card
            for some in chunks_of(keys, KEYS_PER_CHUNK)
            for card in uow.cards.waiting_for_shipment(some, at_once=house.settings.post_at_once)
        ]
    promise = Promise(
        promised_days=house.settings.promised_days,
        transit_days=house.settings.transit_days,
        production_days=house.settings.production_days,
    )
    return holds_of(waiting, coming, today=oslo_day(house.clock.now()), promise=promise)


def _to_plan(house: House) -> list[Chunk]:
    """Chunks of address keys: what goes to one address is decided together, and one address is never parted."""
    held = {hold.address_key for hold in mail_holds(house)}
    with house.store.read() as uow:
        keys = [key for key, _ in uow.cards.addresses_waiting() if key not in held]
    return chunks_of(keys, KEYS_PER_CHUNK)


def _plan(house: House, chunk: Chunk) -> Tally:
    with house.store.begin() as uow:
        flagged = uow.returns.flagged(chunk)  # a letter came back since this chunk was chosen
        waiting = uow.cards.waiting_for_shipment([key for key in chunk if key not in flagged])
        if not waiting:
            return tally(["already_done"])
        destinations = uow.orders.destinations(sorted({card.order_number for card in waiting}))
        zones = {card.address_key: zone_of(destinations[card.order_number].address.country) for card in waiting}
        planned, unpriced = plan(
            waiting,
            day=oslo_day(house.clock.now()),
            zone_of_key=zones.__getitem__,
            rows=house.tariffs,
            weights=house.weights,
            handling_ore=house.settings.handling_ore,
        )
        orders = {card.card_id: card.order_number for card in waiting}
        _write(house, uow, [(each, destinations[orders[each.card_ids[0]]]) for each in planned])
        held = tally(_hold_unpriced(house, uow, card, fault) for card, fault in unpriced)
    problems = tuple(Problem.of(card.card_id, fault) for card, fault in unpriced)
    return held + Tally(counts={"packed": len(planned)} if planned else {}, problems=problems)


def _write(house: House, uow: UnitOfWork, planned: list[tuple[PlannedShipment, Destination]]) -> None:
    """The shipments with the next numbers of the series, and their cards packed."""
    if not planned:
        return
    first = uow.series.next("shipment", len(planned))
    made = [_shipment(house, first + n, each, to) for n, (each, to) in enumerate(planned)]
    inside = {card_id: {"shipment_id": shipment.shipment_id} for shipment in made for card_id in shipment.card_ids}
    uow.cards.advance_many(
        CardState.PROVED,
        CardState.PACKED,
        actor=house.actor,
        what="packed",
        details={card_id: {"shipment": of["shipment_id"]} for card_id, of in inside.items()},
        changes=inside,
    )
    uow.shipments.add(*made)


def _shipment(house: House, number: int, planned: PlannedShipment, to: Destination) -> Shipment:
    return Shipment(
        shipment_id=f"S-{number:06d}",
        number=number,
        address_key=planned.address_key,
        address=to.address,
        label_lines=to.label_lines,
        card_ids=planned.card_ids,
        weight_g=planned.weight_g,
        thickness_mm=planned.thickness_mm,
        product=planned.row.product,
        tariff=planned.row.tariff,
        postage_net_ore=planned.row.net_ore,
        vat_percent=planned.row.vat_percent,
        shares=planned.shares,
        state=ShipmentState.PACKED,
        planned_on=oslo_day(house.clock.now()),
    )


def _hold_unpriced(house: House, uow: UnitOfWork, card: WaitingCard, fault: Refused) -> str:
    uow.cards.hold(card.card_id, CardState.PROVED, unpriced(fault), actor=house.actor)
    return "held"


def unpriced(fault: Refused) -> Hold:
    """Why a card waits that no known tariff prices."""
    return Hold(reason=HoldReason.TARIFF_UNKNOWN, detail=fault.code, fix=fault.fix)


PACK = Stage("pack", _to_plan, _plan)
