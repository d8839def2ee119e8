"""What must hold of things that can be counted: prints, batches, shipments and blanks."""

from collections import defaultdict
from collections.abc import Iterator

from sqlalchemy import ColumnElement, and_, case, exists, func, or_, select

from cards.batch import BatchState, batch_digest
from cards.blanks import BlankAccount
from cards.life import CardState
from shipping.models import ShipmentState
from store.database import UnitOfWork
from store.ports import Blobs
from store.printing import JOB_OVER
from store.rule import Rule
from store.rules_of_cards import rows
from store.tables import (
    batch_cards,
    batches,
    blank_moves,
    blank_stock,
    cards,
    print_jobs,
    prints,
    shipment_cards,
    shipment_shares,
    shipments,
)

_UNMADE = (CardState.ORDERED, CardState.PICTURED, CardState.RENDERED)
_MADE = tuple(state for state in CardState if state not in (*_UNMADE, CardState.HELD, CardState.CANCELLED))


def _standing(states: tuple[CardState, ...]) -> ColumnElement[bool]:
    return or_(cards.c.state.in_(states), and_(cards.c.state == CardState.HELD, cards.c.resumes_in.in_(states)))


# --- prints and batches ----------------------------------------------------------------------------------------


def _several_live_prints(uow: UnitOfWork, _blobs: Blobs) -> Iterator[str]:
    query = select(prints.c.card_id, func.count()).where(prints.c.live).group_by(prints.c.card_id)
    for card_id, count in rows(uow, query.having(func.count() > 1).order_by(prints.c.card_id)):
        yield f"{card_id} ({count} live prints)"


def _made_without_print(uow: UnitOfWork, _blobs: Blobs) -> Iterator[str]:
    live = exists().where(prints.c.card_id == cards.c.card_id, prints.c.live)
    wrong = or_(and_(_standing(_MADE), ~live), and_(_standing(_UNMADE), live))
    for row in rows(uow, select(cards.c.card_id, cards.c.state).where(wrong).order_by(cards.c.card_id)):
        yield f"{row.card_id} ({row.state})"


def _print_out_of_place(uow: UnitOfWork, _blobs: Blobs) -> Iterator[str]:
    place = and_(
        batch_cards.c.batch_id == prints.c.batch_id,
        batch_cards.c.position == prints.c.position,
        batch_cards.c.card_id == prints.c.card_id,
        batch_cards.c.struck.is_(None),
    )
    query = select(prints.c.card_id, prints.c.batch_id, prints.c.position).where(~exists().where(place))
    for card_id, batch_id, position in rows(uow, query.order_by(prints.c.card_id, prints.c.attempt)):
        yield f"{card_id} ({batch_id} place {position})"


def _job_and_batch_differ(uow: UnitOfWork, _blobs: Blobs) -> Iterator[str]:
    over, frozen = print_jobs.c.state.in_(JOB_OVER), batches.c.state == BatchState.FROZEN
    query = select(batches.c.batch_id, batches.c.state, print_jobs.c.state).join(
        print_jobs, print_jobs.c.batch_id == batches.c.batch_id
    )
    for batch_id, state, job in rows(uow, query.where(over == frozen).order_by(batches.c.batch_id)):
        yield f"{batch_id} ({state}, its job {job})"


def _outcome_is_not_life(uow: UnitOfWork, _blobs: Blobs) -> Iterator[str]:
    spoiled = and_(func.coalesce(prints.c.outcome, "") == "spoiled", prints.c.spoiled_cause.is_not(None))
    clean = and_(func.coalesce(prints.c.outcome, "") != "spoiled", prints.c.spoiled_cause.is_(None))
    wrong = or_(and_(prints.c.live, ~clean), and_(~prints.c.live, ~spoiled))
    query = select(prints.c.card_id, prints.c.attempt, prints.c.outcome).where(wrong)
    for card_id, attempt, outcome in rows(uow, query.order_by(prints.c.card_id, prints.c.attempt)):
        yield f"{card_id} print {attempt} ({outcome or 'not judged'})"


def _changed_batches(uow: UnitOfWork, _blobs: Blobs) -> Iterator[str]:
    for batch in uow.batches.all():
        if batch_digest(batch.cards) != batch.digest:
            yield batch.batch_id


def _frozen_twice(uow: UnitOfWork, _blobs: Blobs) -> Iterator[str]:
    frozen = select(batch_cards.c.card_id).where(batch_cards.c.waiting).group_by(batch_cards.c.card_id)
    for row in rows(uow, frozen.having(func.count() > 1)):
        yield row.card_id


def _counted() -> ColumnElement[bool]:
    return batches.c.issued == batches.c.good + batches.c.spoiled + batches.c.returned


def _closed() -> ColumnElement[bool]:
    return batches.c.state == BatchState.CLOSED


def _uncounted_batches(uow: UnitOfWork, _blobs: Blobs) -> Iterator[str]:
    b = batches.c
    counted = _counted()
    sure = and_(b.counted_by.is_not(None), b.witnessed_by.is_not(None), b.counted_by != b.witnessed_by, counted)
    query = select(b.batch_id).where(_closed(), func.coalesce(case((sure, 0), else_=1), 1) == 1)
    for row in rows(uow, query.order_by(b.batch_id)):
        yield row.batch_id


def _count_does_not_hold(uow: UnitOfWork, _blobs: Blobs) -> Iterator[str]:
    """What was signed is what the ledger says, but for the corrections that were made with a reason."""
    by_batch = select(blank_moves.c.batch_id, func.sum(blank_moves.c.count)).group_by(blank_moves.c.batch_id)
    correcting = blank_moves.c.source == BlankAccount.GOOD, blank_moves.c.target == BlankAccount.SPOILED
    corrected = {row[0]: int(row[1]) for row in rows(uow, by_batch.where(*correcting))}
    b = batches.c
    for batch_id, *signed in rows(uow, select(b.batch_id, b.good, b.spoiled, b.returned).where(_counted(), _closed())):
        ledger, moved = uow.blanks.tally(batch_id), corrected.get(batch_id, 0)
        # A correction made before the count was signed is in the count already.
        good, spoiled, returned = ledger["good"], ledger["spoiled"], ledger["returned"]
        if signed[2] != returned or signed[0] - good not in range(moved + 1) or signed[0] - good != spoiled - signed[1]:
            yield f"{batch_id} (signed {signed[0]} good, {signed[1]} spoiled; the ledger {good} and {spoiled})"


# --- shipments -------------------------------------------------------------------------------------------------


def _several_live_shipments(uow: UnitOfWork, _blobs: Blobs) -> Iterator[str]:
    live = (
        select(shipment_cards.c.card_id, func.count()).where(shipment_cards.c.live).group_by(shipment_cards.c.card_id)
    )
    for card_id, count in rows(uow, live.having(func.count() > 1).order_by(shipment_cards.c.card_id)):
        yield f"{card_id} ({count} live shipments)"


def _packed_nowhere(uow: UnitOfWork, _blobs: Blobs) -> Iterator[str]:
    here = exists().where(
        shipment_cards.c.card_id == cards.c.card_id,
        shipment_cards.c.shipment_id == cards.c.shipment_id,
        shipment_cards.c.live,
    )
    packed = cards.c.state.in_((CardState.PACKED, CardState.POSTED))
    query = select(cards.c.card_id, cards.c.shipment_id).where(packed, ~here)
    for card_id, shipment_id in rows(uow, query.order_by(cards.c.card_id)):
        yield f"{card_id} (names {shipment_id})"


def _state_of_letter(uow: UnitOfWork, _blobs: Blobs) -> Iterator[str]:
    unposted = shipments.c.state.in_((ShipmentState.PACKED, ShipmentState.CLOSED))
    packed = and_(unposted, cards.c.state != CardState.PACKED)
    before_posting = (*_UNMADE, CardState.PRINTED, CardState.ENCODED, CardState.PROVED, CardState.PACKED)
    posted = and_(shipments.c.state == ShipmentState.POSTED, _standing(before_posting))
    query = (
        select(cards.c.card_id, cards.c.state, shipments.c.shipment_id)
        .join(shipment_cards, shipment_cards.c.card_id == cards.c.card_id)
        .join(shipments, shipments.c.shipment_id == shipment_cards.c.shipment_id)
        .where(or_(and_(shipment_cards.c.live, or_(packed, posted)), and_(shipment_cards.c.live, _cancelled())))
    )
    for card_id, state, shipment_id in rows(uow, query.order_by(cards.c.card_id)):
        yield f"{card_id} ({state}) in {shipment_id}"


def _cancelled() -> ColumnElement[bool]:
    return shipments.c.state == ShipmentState.CANCELLED


def _shares_that_do_not_add_up(uow: UnitOfWork, _blobs: Blobs) -> Iterator[str]:
    query = (
        select(shipments.c.shipment_id, shipments.c.postage_net_ore, func.sum(shipment_shares.c.net_ore))
        .join(shipment_shares, shipment_shares.c.shipment_id == shipments.c.shipment_id)
        .group_by(shipments.c.shipment_id, shipments.c.postage_net_ore)
        .having(func.sum(shipment_shares.c.net_ore) != shipments.c.postage_net_ore)
    )
    for shipment_id, postage, shares in rows(uow, query.order_by(shipments.c.shipment_id)):
        yield f"{shipment_id} (postage {postage} øre, shares {shares} øre)"


# --- blanks ----------------------------------------------------------------------------------------------------


def _stock_by_moves(uow: UnitOfWork) -> dict[tuple[str, str], int]:
    stock: dict[tuple[str, str], int] = defaultdict(int)
    for side, sign in ((blank_moves.c.source, -1), (blank_moves.c.target, 1)):
        query = select(blank_moves.c.lot, side, func.sum(blank_moves.c.count)).group_by(blank_moves.c.lot, side)
        for lot, account, count in rows(uow, query):
            stock[lot, account] += sign * int(count)
    return stock


def _stock_is_not_moves(uow: UnitOfWork, _blobs: Blobs) -> Iterator[str]:
    moved = _stock_by_moves(uow)
    kept = {(row.lot, row.account): row.count_ for row in rows(uow, select(*_STOCK))}
    for place in sorted(moved.keys() | kept.keys()):
        if moved.get(place, 0) != kept.get(place, 0):
            yield f"{place[0]} {place[1]} (stock {kept.get(place, 0)}, moves {moved.get(place, 0)})"


_STOCK = (blank_stock.c.lot, blank_stock.c.account, blank_stock.c.count.label("count_"))


def _negative_stock(uow: UnitOfWork, _blobs: Blobs) -> Iterator[str]:
    for (lot, account), count in sorted(_stock_by_moves(uow).items()):
        if count < 0 and account != BlankAccount.SUPPLIER:
            yield f"{lot} {account} ({count})"


def _blanks_by_batch(uow: UnitOfWork) -> dict[str | None, dict[str, int]]:
    found: dict[str | None, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for side, sign in ((blank_moves.c.source, -1), (blank_moves.c.target, 1)):
        query = select(blank_moves.c.batch_id, side, func.sum(blank_moves.c.count)).group_by(
            blank_moves.c.batch_id, side
        )
        for batch_id, account, count in rows(uow, query):
            found[batch_id][account] += sign * int(count)
    return found


def _blanks_astray(uow: UnitOfWork, _blobs: Blobs) -> Iterator[str]:
    state_of: dict[str | None, str] = {row.batch_id: row.state for row in rows(uow, select(batches))}
    for batch_id, stock in sorted(_blanks_by_batch(uow).items(), key=lambda item: item[0] or ""):
        open_ones = {account: stock[account] for account in (BlankAccount.TRAY, BlankAccount.MACHINE)}
        is_open = state_of.get(batch_id) in (BatchState.FROZEN, BatchState.PRINTED)
        if any(count < 0 or (count and not is_open) for count in open_ones.values()):
            where = ", ".join(f"{account.value} {count}" for account, count in open_ones.items())
            yield f"{batch_id or 'no batch'} ({where})"


def _blanks_are_not_prints(uow: UnitOfWork, _blobs: Blobs) -> Iterator[str]:
    query = select(prints.c.batch_id, func.count()).where(prints.c.live).group_by(prints.c.batch_id)
    live = {row[0]: row[1] for row in rows(uow, query)}
    for batch_id, stock in sorted(_blanks_by_batch(uow).items(), key=lambda item: item[0] or ""):
        printed = stock[BlankAccount.MACHINE] + stock[BlankAccount.GOOD]
        if batch_id is not None and printed != live.get(batch_id, 0):
            yield f"{batch_id} (live prints {live.get(batch_id, 0)}, blanks in the machine and good {printed})"


RULES = (
    Rule("print.one_live", "a card has at most one live print", _several_live_prints),
    Rule("print.made", "a card has a live print if and only if it is printed and not spoiled", _made_without_print),
    Rule("print.place", "every print lies where its batch has that card", _print_out_of_place),
    Rule("print.job", "a batch is printed when its job is done or told, and not before", _job_and_batch_differ),
    Rule(
        "print.outcome", "a print is live if and only if it is not spoiled; a spoil has a cause", _outcome_is_not_life
    ),
    Rule("batch.frozen", "a batch is what was frozen: its digest holds", _changed_batches),
    Rule("batch.one_frozen", "a card waits in at most one frozen batch", _frozen_twice),
    Rule("batch.counted", "a closed batch was counted and witnessed by two people, and balances", _uncounted_batches),
    Rule("batch.count_holds", "a signed count is the ledger's, but for corrections", _count_does_not_hold),
    Rule("shipment.one_live", "a card lies in at most one live shipment", _several_live_shipments),
    Rule("shipment.packed", "a packed or posted card lies in the live shipment that it names", _packed_nowhere),
    Rule(
        "shipment.state",
        "the cards of a letter are packed until it is posted, posted once it is",
        _state_of_letter,
    ),
    Rule("shipment.shares", "the orders' shares of a letter are its postage", _shares_that_do_not_add_up),
    Rule("blanks.stock", "the stock of every lot and account is what the moves make it", _stock_is_not_moves),
    Rule("blanks.negative", "no account but the supplier's is below zero", _negative_stock),
    Rule("blanks.batches", "blanks in tray and machine belong to open batches", _blanks_astray),
    Rule(
        "blanks.prints",
        "a batch has a blank in the machine or good for each of its live prints",
        _blanks_are_not_prints,
    ),
)
