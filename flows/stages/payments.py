"""Payments at Stripe: what it tells by webhook, booked each payment once, and both sides held against each other.

A webhook's event, the row that it fills and the ledger posting are one transaction, so that Stripe may send it again
until we say that it is kept.
"""

from billing.ledger import BANK, entries_of_payment
from billing.reconcile_stripe import Booked, Finding, compare
from billing.webhook import Told, read_event
from cards.days import oslo_day
from cards.effects import EffectKind, EffectState
from cards.errors import Refused
from flows.house import House
from store.database import UnitOfWork


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
    told = read_event(body, signature, secret=secret.get_secret_value(), now=house.clock.now())
    with house.store.begin() as uow:
        return "kept" if keep(uow, told) else "known"


def keep(uow: UnitOfWork, told: Told) -> bool:
    """The event and all that follows from it. False when its id was here before: then nothing changes."""
    if not uow.stripe.take(told):
        return False
    _book(uow, told)
    return True


def _book(uow: UnitOfWork, told: Told) -> None:
    """A payment of one of our invoices, in kroner, goes into the ledger once, whatever else is told about it."""
    if told.about != "paid" or not told.amount_ore or told.currency != "nok" or told.invoice is None:
        return
    try:
        uow.invoices.get(told.invoice)
        uow.ledger.post(
            entries_of_payment(
                f"stripe:{told.reference}",
                amount_ore=told.amount_ore,
                booked_on=oslo_day(told.happened_at),
                document=f"invoice/{told.invoice}",
            )
        )
    except Refused as fault:  # not ours, or booked by an earlier event: the comparison with Stripe names the first
        if fault.code not in ("invoice.unknown", "ledger.posted_before"):
            raise


def compare_with_stripe(house: House) -> list[Finding]:
    """Every difference between what moved at Stripe and what is booked here. Raises Refused
    `payments.not_at_stripe`, Unavailable `payments.unavailable`."""
    if house.invoicing is None:
        raise Refused(
            "payments.not_at_stripe",
            "payments are not at Stripe in this house",
            field="HSECARD_PAYMENTS",
            fix="set HSECARD_PAYMENTS=stripe where Stripe is used",
        )
    there = house.invoicing.movements()
    with house.store.read() as uow:
        issued = [invoice.number for invoice in uow.invoices.all()]
        void = [row["invoice"] for row in uow.stripe.payments() if row["void_at"]]
        return compare(there, [*_paid(uow), *_given_back(uow)], invoices=issued, void=void)


def _paid(uow: UnitOfWork) -> list[Booked]:
    """What webhooks told and the ledger has, under the payment's id, or the invoice's until that is told."""
    booked = {entry.posting: entry.amount_ore for entry in uow.ledger.entries(BANK)}
    found = []
    for row in uow.stripe.payments():
        posting = f"payment:stripe:{row['reference']}"
        if posting in booked:
            source = row["payment"] or row["reference"]
            found.append(Booked(posting=posting, source=source, amount_ore=booked[posting], invoice=row["invoice"]))
    return found


def _given_back(uow: UnitOfWork) -> list[Booked]:
    booked = {entry.posting: entry.amount_ore for entry in uow.ledger.entries(BANK)}
    return [
        Booked(posting=f"refund:{one.key}", source=one.answer["refund"], amount_ore=booked[f"refund:{one.key}"])
        for one in uow.effects.all_of(EffectKind.REFUND)
        if one.state is EffectState.CONFIRMED and one.answer and f"refund:{one.key}" in booked
    ]
