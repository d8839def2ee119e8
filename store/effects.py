"""Effects: a row before an act; and number series: counters that move only with the transaction that uses the number.

A key stands for one request for ever. Steps between effect states are compare-and-set, so two workers never both send.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping, Select, bindparam, func, select, update
from sqlalchemy.dialects import postgresql, sqlite

from cards.effects import OPEN, Effect, EffectKind, EffectState, effect_may_step, request_digest
from cards.errors import Refused
from store.tables import effects, number_series
from store.transaction import Transaction

_SETTLED = (EffectState.CONFIRMED, EffectState.REFUSED)
_ONE = select(effects).where(effects.c.key == bindparam("key"))
_STARTED_AT_ZERO = frozenset({"card_number"})


def _effect_of(row: RowMapping) -> Effect:
    content = dict(row)
    del content["sent_at"]
    return Effect.model_validate(content)


class Effects:
    """What is to leave the house, is on its way, or has been answered."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    def plan(self, key: str, kind: EffectKind, subject: str, request: dict[str, Any]) -> bool:
        """Plan an act. False when it was planned before with the same request.

        Raises Refused `effect.key_reused` when the key stands for another request.
        """
        digest = request_digest(request)
        row: dict[str, Any] = {"key": key, "kind": kind, "subject": subject, "request": request, "digest": digest}
        row |= {"state": EffectState.PLANNED, "planned_at": self._tx.now(), "attempts": 0}
        if self._tx.insert_new(effects, row):
            return True
        known = self.get(key)
        if (known.kind, known.subject, known.digest) != (kind, subject, digest):
            raise Refused(
                "effect.key_reused",
                f"the key {key} stands for another request already",
                fix="this is a fault of the program: a changed request needs a new key; report it with the key",
            )
        return False

    def get(self, key: str) -> Effect:
        """The effect. Raises Refused `effect.unknown`."""
        row = self._tx.connection.execute(_ONE, {"key": key}).mappings().one_or_none()
        if row is None:
            raise _unknown(key)
        return _effect_of(row)

    def find(self, key: str, *, hold: bool = False) -> Effect | None:
        """The effect, or None. With `hold` nobody settles it until this transaction ends."""
        query = _ONE.with_for_update() if hold else _ONE
        row = self._tx.connection.execute(query, {"key": key}).mappings().one_or_none()
        return None if row is None else _effect_of(row)

    def start(self, key: str) -> bool:
        """Planned → sent, one attempt more. False when somebody else started it or it is settled."""
        change = update(effects).where(effects.c.key == key, effects.c.state == EffectState.PLANNED)
        values = change.values(state=EffectState.SENT, sent_at=self._tx.now(), attempts=effects.c.attempts + 1)
        return self._tx.connection.execute(values).rowcount == 1

    def settle(self, key: str, state: EffectState, answer: dict[str, Any] | None) -> bool:
        """Step to `state` with the other side's answer. False when the effect may not go there from where it is.

        Raises Refused `effect.unknown`.
        """
        row = self._tx.connection.execute(_ONE.with_for_update(), {"key": key}).mappings().one_or_none()
        if row is None:
            raise _unknown(key)
        if not effect_may_step(EffectState(row["state"]), state):
            return False
        settled_at = self._tx.now() if state in _SETTLED else None
        change = update(effects).where(effects.c.key == key, effects.c.state == row["state"])
        values = change.values(state=state, settled_at=settled_at, answer=answer)
        return self._tx.connection.execute(values).rowcount == 1

    def in_state(self, *states: EffectState) -> list[Effect]:
        """Effects in any of `states`, oldest plan first."""
        return self._all(select(effects).where(effects.c.state.in_(states)))

    def open_of(self, kind: EffectKind) -> list[Effect]:
        """Planned, sent and unsure effects of one kind, oldest plan first."""
        return self._all(select(effects).where(effects.c.kind == kind, effects.c.state.in_(OPEN)))

    def all_of(self, kind: EffectKind) -> list[Effect]:
        """Every effect of one kind, oldest plan first."""
        return self._all(select(effects).where(effects.c.kind == kind))

    def of_kind_in(self, kind: EffectKind, state: EffectState) -> list[Effect]:
        """Effects of one kind in one state, oldest plan first."""
        return self._all(select(effects).where(effects.c.kind == kind, effects.c.state == state))

    def of_subject(self, kind: EffectKind, subject: str) -> list[Effect]:
        """Every effect of one kind about one subject, oldest plan first."""
        return self._all(select(effects).where(effects.c.kind == kind, effects.c.subject == subject))

    def sent_before(self, at: datetime) -> list[Effect]:
        """Effects sent before `at` that nobody has settled: their sender is gone."""
        return self._all(select(effects).where(effects.c.state == EffectState.SENT, effects.c.sent_at < at))

    def _all(self, query: Select[Any]) -> list[Effect]:
        ordered = query.order_by(effects.c.planned_at, effects.c.key)
        return [_effect_of(row) for row in self._tx.connection.execute(ordered).mappings()]

    def counts(self) -> dict[str, int]:
        """How many effects stand in each state."""
        query = select(effects.c.state, func.count()).group_by(effects.c.state).order_by(effects.c.state)
        return {row[0]: row[1] for row in self._tx.connection.execute(query)}


def _unknown(key: str) -> Refused:
    return Refused("effect.unknown", f"nothing was planned under {key!r}", fix="look at `hsecard status`")


class Series:
    """Counters without gaps: the counter row moves in the transaction that uses the number, and back with it."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    def next(self, name: str, count: int = 1) -> int:
        """The first of `count` new numbers of the series; from 1 (card numbers from 0). Others wait for our commit."""
        if count < 1:
            raise ValueError("a series gives at least one number")
        dialect = postgresql if self._tx.connection.dialect.name == "postgresql" else sqlite
        new = dialect.insert(number_series).values(name=name, last=_before_first(name) + count)
        taken = new.on_conflict_do_update(
            index_elements=[number_series.c.name], set_={"last": number_series.c.last + count}
        )
        last = int(self._tx.connection.execute(taken.returning(number_series.c.last)).scalar_one())
        return last - count + 1

    def last(self, name: str) -> int:
        """The last number given; one before the first when none was."""
        last = self._tx.connection.scalar(select(number_series.c.last).where(number_series.c.name == name))
        return _before_first(name) if last is None else last


def _before_first(name: str) -> int:
    return -1 if name in _STARTED_AT_ZERO else 0
