"""Payments at Stripe: what it tells by webhook, booked each payment once, and both sides held against each other.

A webhook's event, the row that it fills and the ledger posting are one transaction, so that Stripe may send it again
until we say that it is kept. Fees and payouts are told by no webhook of ours: they come with the movements on our
balance there, which are fetched whole up to an instant.
"""

from collections.abc import Iterable, Iterator
from datetime import date, datetime, timedelta
from itertools import islice

from billing.ledger import (
    BANK,
    CLEARING,
    entries_of_clearing_opening,
    entries_of_movement,
    entries_of_payment,
)
from billing.ports import Balance
from billing.reconcile_stripe import Comparison, Movement
from billing.webhook import Told, read_event
from cards.days import oslo_day
from cards.errors import Refused, Unavailable
from flows.house import House
from flows.stages.failed_refunds import came_back
from flows.stages.line import Chunk, Problem, Stage, Tally, tally
from store.database import UnitOfWork
from store.payments import ENDED, Fetch

_AT_ONCE = 500
_LISTINGS = 5
_LATE = timedelta(days=2)  # movements are read again from so long before the last fetch
_OLD_POSTINGS = ("payment:stripe:", "refund:")  # on the bank, while Stripe's money had no account of its own


def take_webhook(house: House, body: bytes, signature: str) -> str:
    """Keep one event: `kept`, or `known` when it came before. Raises Refused `payments.webhook_signature`,
    `payments.webhook_unreadable`, `payments.no_webhook_secret`."""
    secret = house.settings.stripe_webhook_secret
    if secret is None:
        raise Refused(
            "payments.no_webhook_secret",
            "nobody can tell whether this comes from Stripe",
            field="HSECARD_STRIPE_WEBHOOK_SECRET",
            fix="set it to the secret of the webhook endpoint at Stripe",
        )
    now = house.clock.now()
    told = read_event(body, signature, secret=secret.get_secret_value(), now=now)
    with house.store.begin() as uow:
        return "kept" if keep(uow, told, today=oslo_day(now)) else "known"


def keep(uow: UnitOfWork, told: Told, *, today: date) -> bool:
    """The event and all that follows from it. False when its id was here before: then nothing changes."""
    if not uow.stripe.take(told):
        return False
    if told.about == "refund" and told.status in ENDED:
        came_back(uow, told.reference, key=told.key, today=today)
    if told.about == "paid":
        _book(uow, told)
    return True


def _book(uow: UnitOfWork, told: Told) -> None:
    """A payment of one of our invoices, in kroner, goes into the ledger once, whatever else is told about it.

    What is paid above what is still open (set off meanwhile, or paid by bank too) stands on no invoice, as at the bank.
    """
    if not told.amount_ore or told.currency != "nok" or told.invoice is None or told.paid_at is None:
        return
    try:
        uow.invoices.get(told.invoice)
        uow.bank.hold()
        above = max(told.amount_ore - uow.bank.left_on(told.invoice), 0)
        uow.ledger.post(
            entries_of_payment(
                f"stripe:{told.reference}",
                amount_ore=told.amount_ore,
                unallocated_ore=above,
                booked_on=oslo_day(told.paid_at),
                document=f"invoice/{told.invoice}",
                into=CLEARING,
            )
        )
    except Refused as fault:  # not ours, or booked by an earlier event: the comparison with Stripe names the first
        if fault.code not in ("invoice.unknown", "ledger.posted_before"):
            raise


# --- movements --------------------------------------------------------------------------------------------------


def fetch_movements(house: House, *, by: str) -> Tally:
    """Fetch what moved at Stripe since the last time, and book its fees and payouts.

    Raises Refused `payments.not_at_stripe`, Unavailable `payments.unavailable`, `payments.moving`; what was fetched
    until then is kept.
    """
    balance = _balance(house)
    with house.store.read() as uow:
        last = uow.stripe.last_fetch()
    now = house.clock.now()
    new, stands = _listed(house, balance, last.fetched_at - _LATE if last else None)
    with house.store.begin() as uow:
        if last is None:
            _open_clearing(uow, oslo_day(now))
        uow.stripe.fetched(Fetch(fetched_at=now, movements=new, balance_ore=stands, fetched_by=by))
    return Tally(counts={"fetched": new} if new else {"already_fetched": 1})


def _listed(house: House, balance: Balance, since: datetime | None) -> tuple[int, int]:
    """New movements and the balance that they come to: read again while it moves under our eyes."""
    new, before = 0, balance.balance_ore()
    for _ in range(_LISTINGS):
        new += sum(_keep(house, some) for some in _portions(balance.movements(since)))
        after = balance.balance_ore()
        if after == before:
            return new, after
        before = after
    raise Unavailable(
        "payments.moving",
        f"Stripe's balance moved during each of {_LISTINGS} readings of its movements",
        fix="fetch again in a quieter moment; what was fetched is kept",
    )


def _balance(house: House) -> Balance:
    if house.balance is None:
        raise Refused(
            "payments.not_at_stripe",
            "payments are not at Stripe in this house",
            field="HSECARD_PAYMENTS",
            fix="set HSECARD_PAYMENTS=stripe where Stripe is used",
        )
    return house.balance


def _portions(movements: Iterable[Movement]) -> Iterator[list[Movement]]:
    rest = iter(movements)
    while some := list(islice(rest, _AT_ONCE)):
        yield some


def _keep(house: House, movements: list[Movement]) -> int:
    with house.store.begin() as uow:
        new = uow.stripe.add_movements(movements)
        uow.ledger.post([entry for one in new for entry in entries_of_movement(one, booked_on=oslo_day(one.moved_at))])
    return len(new)


def _open_clearing(uow: UnitOfWork, today: date) -> None:
    """Move what old postings left on the bank to where it lay; a ledger begun with the account has none."""
    before = uow.ledger.total(BANK, *_OLD_POSTINGS)
    uow.ledger.post(entries_of_clearing_opening(before, booked_on=today))


def compare_with_stripe(house: House) -> Comparison:
    """Every difference between what moved at Stripe up to the last fetch and what is booked here, and whether the
    balances tie. Raises Refused `payments.not_at_stripe`, `payments.not_fetched`."""
    _balance(house)
    with house.store.read() as uow:
        return uow.stripe_compared.compared()


def _to_fetch(house: House) -> list[Chunk]:
    return [("movements",)] if house.balance else []


def _fetch(house: House, chunk: Chunk) -> Tally:
    try:
        return fetch_movements(house, by=house.actor)
    except Unavailable as fault:
        return tally(["postponed"], [Problem.of("movements", fault)])


FETCHING = Stage("movements", _to_fetch, _fetch)
