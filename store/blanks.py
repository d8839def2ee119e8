"""The blank ledger: every move of blanks as a row that never changes, and the stock a lot and account that it makes.

The stock rows are locked before a move is judged, so two workers cannot both take the last blank.
"""

from collections import defaultdict
from typing import Any

from sqlalchemy import Select, func, select, update

from cards.blanks import BlankAccount, BlankMove
from cards.errors import Refused, Unavailable
from store.tables import blank_moves, blank_stock
from store.transaction import Transaction


class Blanks:
    """Where the blanks are."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    def move(self, move: BlankMove) -> bool:
        """Move blanks once a `move_key`. False when this move was made before.

        Raises Refused `blank.key_reused` when the key stands for another move, Unavailable `blanks.short` when the
        source account has too few blanks of the lot (only the supplier may owe). The time is not part of the content:
        a move tried again later is the same move.
        """
        stock = self._locked(move)
        if self._known(move):
            return False
        if move.source is not BlankAccount.SUPPLIER and stock[move.source] < move.count:
            raise _short(move, stock[move.source])
        if not self._tx.insert_new(blank_moves, move.model_dump()):
            return not self._known(move)
        for account, change in ((move.source, -move.count), (move.target, move.count)):
            place = (blank_stock.c.lot == move.lot) & (blank_stock.c.account == account)
            self._tx.connection.execute(update(blank_stock).where(place).values(count=blank_stock.c.count + change))
        return True

    def _locked(self, move: BlankMove) -> dict[BlankAccount, int]:
        """The stock of both accounts, locked in one order by everybody: first made, then locked."""
        query = (
            select(blank_stock.c.account, blank_stock.c.count)
            .where(blank_stock.c.lot == move.lot, blank_stock.c.account.in_([move.source, move.target]))
            .order_by(blank_stock.c.account)
        )
        there = {row.account for row in self._tx.connection.execute(query)}
        for account in sorted({move.source.value, move.target.value} - there):
            self._tx.insert_new(blank_stock, {"lot": move.lot, "account": account, "count": 0})
        rows = self._tx.connection.execute(query.with_for_update())
        return {BlankAccount(row[0]): row[1] for row in rows}

    def _known(self, move: BlankMove) -> bool:
        query = select(blank_moves).where(blank_moves.c.move_key == move.move_key)
        row = self._tx.connection.execute(query).mappings().one_or_none()
        if row is None:
            return False
        known = BlankMove.model_validate(dict(row))
        if known.model_copy(update={"at": move.at, "actor": move.actor}) != move:
            raise Refused(
                "blank.key_reused",
                f"the move {move.move_key} was made before with other content",
                fix="this is a fault of the program or a receipt entered twice: use a new key for a new move",
            )
        return True

    def balances(self, lot: str | None = None, batch_id: str | None = None) -> dict[BlankAccount, int]:
        """Blanks per account, of one lot or by the moves of one batch when given. Every account is named."""
        stock = dict.fromkeys(BlankAccount, 0)
        for side, sign in ((blank_moves.c.source, -1), (blank_moves.c.target, 1)):
            query = select(side, func.sum(blank_moves.c.count)).group_by(side)
            for account, count in self._tx.connection.execute(_only(query, lot=lot, batch_id=batch_id)):
                stock[BlankAccount(account)] += sign * int(count)
        return stock

    def tally(self, batch_id: str) -> dict[str, int]:
        """What the moves of a batch say for its closing count: issued, good, spoiled, returned.

        Issued is what left the vault for the batch; a destroyed blank was spoiled before.
        """
        query = select(blank_moves.c.source, blank_moves.c.target, func.sum(blank_moves.c.count))
        grouped = query.where(blank_moves.c.batch_id == batch_id).group_by(blank_moves.c.source, blank_moves.c.target)
        into: dict[str, int] = defaultdict(int)
        issued = 0
        for source, target, count in self._tx.connection.execute(grouped):
            into[target] += int(count)
            into[source] -= int(count)
            issued += int(count) if source == BlankAccount.VAULT else 0
            # A blank that is carried from the tray straight into the vault came back all the same.
            into[BlankAccount.RETURNED] += int(count) if target == BlankAccount.VAULT else 0
        return {
            "issued": issued,
            "good": into[BlankAccount.GOOD],
            "spoiled": into[BlankAccount.SPOILED] + into[BlankAccount.DESTROYED],
            "returned": into[BlankAccount.RETURNED],
        }

    def lots(self) -> dict[str, dict[BlankAccount, int]]:
        """The stock of every lot per account, lots in order. Every account is named."""
        found: dict[str, dict[BlankAccount, int]] = {}
        for lot, account, count in self._tx.connection.execute(select(blank_stock).order_by(blank_stock.c.lot)):
            found.setdefault(lot, dict.fromkeys(BlankAccount, 0))[BlankAccount(account)] = count
        return found

    def moves(self, batch_id: str | None = None) -> list[BlankMove]:
        """The moves in the order of their time, of one batch when given."""
        query = _only(select(blank_moves), lot=None, batch_id=batch_id)
        rows = self._tx.connection.execute(query.order_by(blank_moves.c.at, blank_moves.c.move_key)).mappings()
        return [BlankMove.model_validate(dict(row)) for row in rows]


def _only(query: Select[Any], *, lot: str | None, batch_id: str | None) -> Select[Any]:
    if lot is not None:
        query = query.where(blank_moves.c.lot == lot)
    return query if batch_id is None else query.where(blank_moves.c.batch_id == batch_id)


def _short(move: BlankMove, stock: int) -> Unavailable:
    return Unavailable(
        "blanks.short",
        f"{move.count} blanks of lot {move.lot} are asked of the {move.source.value}, which holds {stock}",
        fix="receive blanks with `hsecard blanks receive`, or correct the count",
    )
