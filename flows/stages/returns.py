"""A letter that came back, taken in by a scan of its code: its cards are in our hands again, and a rule says what next.

The whole of it is one transaction: the return with its reason, the cards and their journals, the end of their places
in the letter, the flag on the address, the mail to the orderer. The blanks do not move: a finished card is `good`
wherever it is (`returned` of the blank ledger is a blank that was never used). The same scan again changes nothing.
"""

from collections.abc import Sequence
from datetime import date

from pydantic import BaseModel, ConfigDict

from cards.address import Address
from cards.days import oslo_day
from cards.errors import Refused
from cards.life import Card, CardState
from flows.house import House
from flows.stages.line import tally
from flows.stages.postcodes import register_of
from flows.stages.readdress import read_new_address, readdressed
from flows.stages.reship import send_again, still_valid
from flows.stages.return_mail import plan_mails
from shipping.addresses import read_address
from shipping.models import Shipment, ShipmentState
from shipping.numbers import is_s10, is_sscc, shipment_number
from shipping.returns import UNSTATED, LetterReturn, ReturnRule, carriers_number, read_reason, rule_of
from store.database import UnitOfWork
from store.orders import StoredOrder


class Scanned(BaseModel):
    """What a scan of returned mail came to: the letter, why it is back, and what became of its cards."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    shipment_id: str
    reason: str
    already: bool
    flagged: bool
    destroy_from: date
    counts: dict[str, int]


def scan_return(
    house: House,
    code: str,
    *,
    reason: str | None = None,
    new_address: Address | None = None,
    our_fault: bool = False,
) -> Scanned:
    """Take a returned letter back in. `code` is its DataMatrix, our shipment id, or a number of the carrier's.

    With `new_address` (the carrier knows where the receiver went) its orders are sent there at once. Raises Refused
    `return.code_unknown`, `return.never_posted`, `return.reason_unknown`, `return.reason_differs`, `address.invalid`.
    """
    known_reason = read_reason(reason).code if reason else None
    if new_address is not None:
        read_new_address(house, new_address)
    with house.store.begin() as uow:
        shipment = _letter(uow, code)
        before = uow.returns.find(shipment.shipment_id)
        if before is not None:
            return _scanned_before(before, known_reason)
        rule = rule_of(known_reason or UNSTATED, oslo_day(house.clock.now()))
        ours = our_fault or _misprinted(house, uow, shipment)
        came_back = _came_back(house, shipment, rule, our_fault=ours)
        if not uow.returns.add(came_back):
            return _scanned_before(came_back, None)
        outcomes = _take_back(house, uow, shipment, rule.reason)
        onward = _send_on(house, uow, shipment, rule, new_address, our_fault=ours)
        plan_mails(uow, shipment, came_back, rule, sent_again="sent_again" in onward)
        return _scanned(came_back, [*outcomes, *onward])


def _letter(uow: UnitOfWork, code: str) -> Shipment:
    """The letter of a scanned code, posted. Raises Refused `return.code_unknown`, `return.never_posted`."""
    text = carriers_number(code)
    shipment_id = uow.returns.shipment_of(number=shipment_number(text), code=text)
    if shipment_id is None and (is_s10(text) or is_sscc(text)):
        shipment_id = uow.returns.shipment_labelled(text)
    if shipment_id is None:
        raise Refused(
            "return.code_unknown",
            f"no letter of ours bears {text[:40]!r}",
            field="CODE",
            fix="scan the square code in the window, or type the shipment from `hsecard shipments list`",
        )
    shipment = uow.shipments.get(shipment_id)
    if shipment.state is not ShipmentState.POSTED:
        raise Refused(
            "return.never_posted",
            f"{shipment_id} is {shipment.state.value}: it never left the house",
            field="CODE",
            fix="look at it with `hsecard shipments show`; a letter lying about that was cancelled is torn up",
        )
    return shipment


def address_of_letter(house: House, code: str) -> Address:
    """Where the letter of a scanned code was sent. Raises as `scan_return` does."""
    with house.store.read() as uow:
        return _letter(uow, code).address


def _scanned_before(before: LetterReturn, reason: str | None) -> Scanned:
    if reason is not None and reason != before.reason:
        raise Refused(
            "return.reason_differs",
            f"{before.shipment_id} was taken back before with the reason {before.reason}, not {reason}",
            field="--reason",
            fix="the first word stands; decide by hand with `hsecard returns reship` or `hsecard returns destroy`",
        )
    return _scanned(before, [], already=True)


def _scanned(came_back: LetterReturn, outcomes: Sequence[str], *, already: bool = False) -> Scanned:
    return Scanned(
        shipment_id=came_back.shipment_id,
        reason=came_back.reason,
        already=already,
        flagged=came_back.flagged,
        destroy_from=came_back.destroy_from,
        counts=tally(outcomes).counts,
    )


def _came_back(house: House, shipment: Shipment, rule: ReturnRule, *, our_fault: bool) -> LetterReturn:
    """What is kept of it. A letter that we sent astray says nothing against the address that was ordered."""
    now = house.clock.now()
    key = read_address(shipment.address, register=register_of(house.settings.home)).key
    return LetterReturn(
        shipment_id=shipment.shipment_id,
        address_key=key,
        reason=rule.reason,
        returned_at=now,
        returned_by=house.actor,
        at_our_cost=our_fault or rule.payer == "house",
        destroy_from=rule.destroy_from(oslo_day(now)),
        flags=rule.flags_address and not our_fault,
    )


# --- whose fault -----------------------------------------------------------------------------------------------


def _misprinted(house: House, uow: UnitOfWork, shipment: Shipment) -> bool:
    """True when the letter bore another address than an order of it named when it was posted."""
    return any(_differs(house, uow, shipment, order) for order in _orders_of(uow, shipment))


def _orders_of(uow: UnitOfWork, shipment: Shipment) -> list[StoredOrder]:
    numbers = {card.order_number for card in uow.cards.get_many(shipment.card_ids)}
    return [uow.orders.get(number) for number in sorted(numbers)]


def _differs(house: House, uow: UnitOfWork, shipment: Shipment, order: StoredOrder) -> bool:
    """Both are read by the rules of today: a key kept from older rules would accuse us."""
    if order.deliver_to == shipment.address:
        return False
    register = register_of(house.settings.home)
    printed, ordered = (read_address(each, register=register).key for each in (shipment.address, order.deliver_to))
    return printed != ordered and not _readdressed_since(uow, shipment, order.order_number)


def _readdressed_since(uow: UnitOfWork, shipment: Shipment, order_number: str) -> bool:
    """True when the order got another address while the letter was in the post already."""
    return any(
        event.what == "readdressed" and shipment.posted_at is not None and event.at >= shipment.posted_at
        for card in uow.cards.get_many(shipment.card_ids)
        if card.order_number == order_number
        for event in uow.cards.events(card.card_id)
    )


# --- the cards -------------------------------------------------------------------------------------------------


def _take_back(house: House, uow: UnitOfWork, shipment: Shipment, reason: str) -> list[str]:
    cards = uow.cards.locked_many(shipment.card_ids)
    return [_take_card_back(house, uow, card, shipment.shipment_id, reason) for card in cards]


def _take_card_back(house: House, uow: UnitOfWork, card: Card, shipment_id: str, reason: str) -> str:
    """Posted → returned. One that is faulty, replaced or blocked meanwhile is here too, and stays what it is."""
    details = {"shipment": shipment_id, "reason": reason}
    uow.shipments.came_back(card.card_id)
    if uow.cards.advance(
        card.card_id, CardState.POSTED, CardState.RETURNED, actor=house.actor, what="returned", details=details
    ):
        return "returned"
    uow.cards.note(card.card_id, actor=house.actor, what="came_back", details=details)
    return f"came_back_{card.state.value}"


def _send_on(
    house: House,
    uow: UnitOfWork,
    shipment: Shipment,
    rule: ReturnRule,
    new_address: Address | None,
    *,
    our_fault: bool,
) -> list[str]:
    """To the new address when there is one; to the ordered one when we sent the letter astray, or when the rule says
    so and it is the first time."""
    if rule.then == "destroy":
        return []
    if new_address is not None:
        reading = read_new_address(house, new_address)
        numbers = [order.order_number for order in _orders_of(uow, shipment)]
        return [each for number in numbers for each in readdressed(house, uow, number, new_address, reading)]
    back = [card for card in uow.returns.in_custody(shipment.shipment_id) if card.state is CardState.RETURNED]
    first_time = not any(_came_back_before(uow, card) for card in back)
    return send_again(house, uow, back) if our_fault or (rule.then == "send_again" and first_time) else []


def _came_back_before(uow: UnitOfWork, card: Card) -> bool:
    return [event.what for event in uow.cards.events(card.card_id)].count("returned") > 1


# --- what waits ------------------------------------------------------------------------------------------------


class Waiting(BaseModel):
    """A returned letter with cards in our hands. `due`: those that may be destroyed without anybody's further word."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    came_back: LetterReturn
    cards: tuple[Card, ...]
    due: tuple[str, ...]


def waiting_returns(house: House) -> list[Waiting]:
    """Returned letters with cards that are neither on their way again nor destroyed, oldest first."""
    today = oslo_day(house.clock.now())
    with house.store.read() as uow:
        by_letter: dict[str | None, list[Card]] = {}
        for card in uow.returns.in_custody():
            by_letter.setdefault(card.shipment_id, []).append(card)
        returns = [each for each in uow.returns.all() if each.shipment_id in by_letter]
    return [
        Waiting(
            came_back=each,
            cards=tuple(by_letter[each.shipment_id]),
            due=tuple(c.card_id for c in by_letter[each.shipment_id] if is_due(c, each, today)),
        )
        for each in returns
    ]


def is_due(card: Card, came_back: LetterReturn, today: date) -> bool:
    """True for a card that nobody may be sent any more, or that has waited long enough. A faulty one waits for its
    replacement: what is destroyed is not replaced."""
    if card.state is CardState.FAULTY:
        return False
    over = today >= came_back.destroy_from or not still_valid(card, today)
    return over or card.state is not CardState.RETURNED


def returns_in_short(house: House) -> dict[str, int]:
    """Counts for the status: letters back, cards in our hands, those to be destroyed, flagged addresses."""
    waiting = waiting_returns(house)
    with house.store.read() as uow:
        flagged = {flag.address_key for flag in uow.returns.all_flags()}
    return {
        "letters": len(waiting),
        "cards": sum(len(each.cards) for each in waiting),
        "to_destroy": sum(len(each.due) for each in waiting),
        "flagged_addresses": len(flagged),
    }
