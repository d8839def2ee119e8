"""How things stand, in numbers: what the operator sees first and the demo writes into its summary."""

from typing import Any

from sqlalchemy import Table, func, select

from billing.models import RefundState
from cards.blanks import BlankAccount
from cards.effects import EffectState
from store.database import Store, UnitOfWork
from store.tables import chip_faults, credit_notes, invoices, refund_cases


def status(store: Store) -> dict[str, Any]:
    """Counts and sums over everything, ready for JSON; amounts are øre. One snapshot, so the numbers fit together."""
    with store.read() as uow:
        cards = {state.value: count for state, count in uow.cards.counts().items()}
        return {
            "orders": uow.orders.count(),
            "cards": {"count": sum(cards.values()), "by_state": cards},
            "held": uow.cards.held_counts(),
            "batches": uow.batches.counts(),
            "print_jobs": uow.print_jobs.counts(),
            "shipments": uow.shipments.counts(),
            "packing": uow.packing.counts(),
            "carrier_numbers_left": uow.carrier_numbers.left(),
            "invoices": _issued(uow, invoices),
            "credit_notes": _issued(uow, credit_notes),
            "refunds": _refunds(uow),
            "effects": {state.value: uow.effects.counts().get(state.value, 0) for state in EffectState},
            "blanks": {account.value: count for account, count in uow.blanks.balances().items()},
            "faults": _faults(uow),
            "ledger": uow.ledger.balances(),
        }


def _issued(uow: UnitOfWork, table: Table) -> dict[str, int]:
    sums = (func.coalesce(func.sum(table.c[name]), 0) for name in ("net_ore", "vat_ore", "gross_ore"))
    row = uow.connection.execute(select(func.count(), *sums).select_from(table)).one()
    return dict(zip(("count", "net_ore", "vat_ore", "gross_ore"), map(int, row), strict=True))


def _refunds(uow: UnitOfWork) -> dict[str, dict[str, int]]:
    state = refund_cases.c.state
    query = select(state, func.count(), func.sum(refund_cases.c.net_ore), func.sum(refund_cases.c.gross_ore))
    found = {row[0]: row for row in uow.connection.execute(query.group_by(state))}
    return {
        name.value: {"count": row[1], "net_ore": int(row[2]), "gross_ore": int(row[3])}
        for name in RefundState
        if (row := found.get(name.value)) is not None
    }


def _faults(uow: UnitOfWork) -> dict[str, int]:
    counts = func.count(), func.count(chip_faults.c.decided_at), func.count(chip_faults.c.replacement_card_id)
    row = uow.connection.execute(select(*counts).select_from(chip_faults)).one()
    return {"reported": row[0], "open": row[0] - row[1], "replaced": row[2]}


def stock(store: Store) -> dict[str, dict[str, int]]:
    """Blanks by lot and account, for the stock list."""
    with store.read() as uow:
        return {
            lot: {account.value: held[account] for account in BlankAccount} for lot, held in uow.blanks.lots().items()
        }
