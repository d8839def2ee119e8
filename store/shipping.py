"""Shipments and postage: which cards went in which letter, what each order bears of it, what was charged and judged."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import Select, exists, func, or_, select, update

from cards.errors import Refused
from shipping.models import PostageCharge, PostageFinding, Shipment, ShipmentState
from store.tables import (
    postage_charges,
    postage_findings,
    refund_items,
    shipment_cards,
    shipment_shares,
    shipments,
)
from store.transaction import Transaction

_LISTED_APART = ("card_ids", "shares")
_CHARGE_COLUMNS = [column.name for column in postage_charges.c if column.name != "content"]
_FINDING_COLUMNS = [column.name for column in postage_findings.c if column.name != "charge_id"]
_SHIPMENT_COLUMNS = [shipments.c[name] for name in Shipment.model_fields if name not in _LISTED_APART]


class Shipments:
    """Letters, from packed to posted or cancelled. A card lies in at most one live letter."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    def add(self, shipment: Shipment) -> None:
        """Keep a packed shipment with its cards and shares.

        Raises Refused `shipment.card_taken` when a card lies in another live shipment, `shipment.known` when the id
        or the number is taken.
        """
        row = shipment.model_dump(mode="json", include={"address", "label_lines"})
        row |= shipment.model_dump(exclude={*_LISTED_APART, *row})
        key = {"shipment_id": shipment.shipment_id}
        with self._tx.whole():
            if not self._tx.insert_new(shipments, row):
                raise Refused(
                    "shipment.known",
                    f"shipment {shipment.shipment_id} or its number {shipment.number} exists already",
                    fix="pack again: the next number is taken from the series",
                )
            for place, card_id in enumerate(shipment.card_ids, start=1):
                live = shipment.state is not ShipmentState.CANCELLED
                if not self._tx.insert_new(shipment_cards, {**key, "place": place, "card_id": card_id, "live": live}):
                    raise _taken(card_id)
            for place, (order_number, net_ore) in enumerate(shipment.shares, start=1):
                share = {**key, "place": place, "order_number": order_number, "net_ore": net_ore}
                self._tx.insert_new(shipment_shares, share)

    def get(self, shipment_id: str) -> Shipment:
        """The shipment. Raises Refused `shipment.unknown`."""
        found = self._all(select(*_SHIPMENT_COLUMNS).where(shipments.c.shipment_id == shipment_id))
        if not found:
            raise Refused("shipment.unknown", f"there is no shipment {shipment_id!r}", fix="see `hsecard status`")
        return found[0]

    def in_state(self, state: ShipmentState) -> list[Shipment]:
        """Shipments in `state`, by id."""
        return self._all(select(*_SHIPMENT_COLUMNS).where(shipments.c.state == state))

    def all(self) -> list[Shipment]:
        """Every shipment, by id."""
        return self._all(select(*_SHIPMENT_COLUMNS))

    def counts(self) -> dict[str, int]:
        """How many shipments stand in each state."""
        query = select(shipments.c.state, func.count()).group_by(shipments.c.state).order_by(shipments.c.state)
        return {row[0]: row[1] for row in self._tx.connection.execute(query)}

    def posted(self, shipment_id: str, booking: str, posted_at: datetime) -> bool:
        """Packed → posted with the carrier's booking. False when it is not packed any more."""
        values = {"state": ShipmentState.POSTED, "booking": booking, "posted_at": posted_at}
        return self._from_packed(shipment_id, values)

    def cancel(self, shipment_id: str) -> bool:
        """Packed → cancelled; its cards may go in another letter. False when it is not packed any more."""
        if not self._from_packed(shipment_id, {"state": ShipmentState.CANCELLED}):
            return False
        self._tx.connection.execute(
            update(shipment_cards).where(shipment_cards.c.shipment_id == shipment_id).values(live=False)
        )
        return True

    def came_back(self, card_id: str) -> bool:
        """A posted card returned: its place in that letter is over, it may be posted again. False without a letter."""
        live = (shipment_cards.c.card_id == card_id) & shipment_cards.c.live
        return self._tx.connection.execute(update(shipment_cards).where(live).values(live=False)).rowcount == 1

    def _from_packed(self, shipment_id: str, values: dict[str, Any]) -> bool:
        packed = (shipments.c.shipment_id == shipment_id) & (shipments.c.state == ShipmentState.PACKED)
        return self._tx.connection.execute(update(shipments).where(packed).values(values)).rowcount == 1

    # --- manifests ----------------------------------------------------------------------------------------------

    def without_manifest(self) -> list[Shipment]:
        """Posted shipments that stand on no manifest yet, by id."""
        query = select(*_SHIPMENT_COLUMNS).where(shipments.c.state == ShipmentState.POSTED)
        return self._all(query.where(shipments.c.manifest_id.is_(None)))

    def listed(self, shipment_ids: Sequence[str], manifest_id: str) -> None:
        """These shipments stand on this manifest. A shipment that stands on one already stays there."""
        for shipment_id in shipment_ids:
            unlisted = (shipments.c.shipment_id == shipment_id) & shipments.c.manifest_id.is_(None)
            self._tx.connection.execute(update(shipments).where(unlisted).values(manifest_id=manifest_id))

    def of_manifest(self, manifest_id: str) -> list[Shipment]:
        """The shipments on a manifest, by id."""
        return self._all(select(*_SHIPMENT_COLUMNS).where(shipments.c.manifest_id == manifest_id))

    def _all(self, query: Select[Any]) -> list[Shipment]:
        rows = self._tx.connection.execute(query.order_by(shipments.c.shipment_id)).mappings().all()
        if not rows:
            return []
        ids = query.with_only_columns(shipments.c.shipment_id)
        cards, shares = self._cards(ids), self._shares(ids)
        return [
            Shipment.model_validate(
                {**row, "card_ids": tuple(cards[row["shipment_id"]]), "shares": tuple(shares[row["shipment_id"]])}
            )
            for row in rows
        ]

    def _cards(self, ids: Select[Any]) -> dict[str, list[str]]:
        query = select(shipment_cards.c.shipment_id, shipment_cards.c.card_id)
        chosen = query.where(shipment_cards.c.shipment_id.in_(ids))
        found: dict[str, list[str]] = defaultdict(list)
        for shipment_id, card_id in self._tx.connection.execute(
            chosen.order_by(shipment_cards.c.shipment_id, shipment_cards.c.place)
        ):
            found[shipment_id].append(card_id)
        return found

    def _shares(self, ids: Select[Any]) -> dict[str, list[tuple[str, int]]]:
        query = select(shipment_shares.c.shipment_id, shipment_shares.c.order_number, shipment_shares.c.net_ore)
        chosen = query.where(shipment_shares.c.shipment_id.in_(ids))
        found: dict[str, list[tuple[str, int]]] = defaultdict(list)
        for shipment_id, order_number, net_ore in self._tx.connection.execute(
            chosen.order_by(shipment_shares.c.shipment_id, shipment_shares.c.place)
        ):
            found[shipment_id].append((order_number, net_ore))
        return found


class Postage:
    """What postage was charged, and what the audit found wrong with it."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    def add_charge(self, charge: PostageCharge) -> bool:
        """Keep a charge. False when it is known. Raises Refused `postage.charge_changed` for other content."""
        content = charge.model_dump(mode="json")
        row = {name: getattr(charge, name) for name in _CHARGE_COLUMNS}
        if self._tx.insert_new(postage_charges, {**row, "content": content}):
            return True
        query = select(postage_charges.c.content).where(postage_charges.c.charge_id == charge.charge_id)
        if self._tx.connection.scalar(query) != content:
            raise Refused(
                "postage.charge_changed",
                f"charge {charge.charge_id} is on record with other content",
                field="charge_id",
                fix="what was charged does not change: correct the file, or give a new charge its own id",
            )
        return False

    def charges(self, posted_from: date | None = None, posted_until: date | None = None) -> list[PostageCharge]:
        """Charges posted in the days given (both included), by id. Those never shipped have no day: always listed."""
        query = select(postage_charges.c.content).order_by(postage_charges.c.charge_id)
        day = postage_charges.c.posted_on
        if posted_from is not None:
            query = query.where(or_(day.is_(None), day >= posted_from))
        if posted_until is not None:
            query = query.where(or_(day.is_(None), day <= posted_until))
        return [PostageCharge.model_validate(content) for content in self._tx.connection.scalars(query)]

    def add_finding(self, f: PostageFinding) -> bool:
        """Keep a finding. False when it is known.

        Raises Refused `postage.finding_changed` when it is known with another kind or amount, `postage.charge_unknown`
        when its charge is not on record.
        """
        charge = select(postage_charges.c.charge_id).where(postage_charges.c.charge_id == f.charge.charge_id)
        if self._tx.connection.scalar(charge) is None:
            raise Refused(
                "postage.charge_unknown", f"charge {f.charge.charge_id} is not on record", fix="import the charge first"
            )
        row = {name: getattr(f, name) for name in _FINDING_COLUMNS}
        if self._tx.insert_new(postage_findings, {**row, "charge_id": f.charge.charge_id}):
            return True
        judged = ("kind", "due_net_ore", "refund_net_ore", "refund_vat_ore")
        query = select(*(postage_findings.c[name] for name in judged))
        known = self._tx.connection.execute(query.where(postage_findings.c.finding_id == f.finding_id)).one()
        if tuple(known) != tuple(row[name] for name in judged):
            raise Refused(
                "postage.finding_changed",
                f"the charge of finding {f.finding_id} was judged otherwise before under the same rules",
                fix="a changed rule or tariff needs a new rule version, so that both findings stand",
            )
        return False

    def earlier(self, finding_ids: Iterable[str]) -> set[str]:
        """Those of some findings that are about charges of before this system."""
        found = select(postage_findings.c.finding_id).join(
            postage_charges, postage_charges.c.charge_id == postage_findings.c.charge_id
        )
        foreign = found.where(postage_charges.c.origin != "own", postage_findings.c.finding_id.in_(list(finding_ids)))
        return set(self._tx.connection.scalars(foreign))

    def findings(self, without_case: bool = False) -> list[PostageFinding]:
        """Findings by id; with `without_case`, those that stand in no live refund case."""
        query = select(postage_findings, postage_charges.c.content).join(
            postage_charges, postage_charges.c.charge_id == postage_findings.c.charge_id
        )
        if without_case:
            in_case = (refund_items.c.finding_id == postage_findings.c.finding_id) & refund_items.c.live
            query = query.where(~exists().where(in_case))
        found = []
        for row in self._tx.connection.execute(query.order_by(postage_findings.c.finding_id)).mappings():
            content = dict(row)
            del content["charge_id"]
            content["charge"] = content.pop("content")
            found.append(PostageFinding.model_validate(content))
        return found


def _taken(card_id: str) -> Refused:
    return Refused(
        "shipment.card_taken",
        f"card {card_id} lies in another live shipment",
        fix="nothing to do: it goes with the other letter",
    )
