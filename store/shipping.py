"""Shipments and postage: which cards went in which letter, what each order bears of it, what was charged and judged."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, delete, exists, func, or_, select, true, tuple_, update

from cards.errors import Refused
from cards.money import vat_ore
from shipping.models import FindingKind, GivenBack, PostageCharge, PostageFinding, Shipment, ShipmentState
from store.number_tables import carrier_numbers
from store.packing_tables import packing_scans
from store.refund_tables import after_charges
from store.tables import (
    postage_charges,
    postage_findings,
    refund_items,
    shipment_cards,
    shipment_shares,
    shipments,
)
from store.transaction import Transaction

LetterName = tuple[str, str]  # origin and shipment
FIRST_LETTER: LetterName = ("", "")
_CHARGES_A_QUERY = 500  # SQLite takes a limited number of parameters in one statement
_LISTED_APART = ("card_ids", "shares", "carrier_number")
_CHARGE_COLUMNS = [column.name for column in postage_charges.c if column.name != "content"]
_FINDING_COLUMNS = [column.name for column in postage_findings.c if column.name != "charge_id"]
_CARRIER_NUMBER = select(carrier_numbers.c.number).where(carrier_numbers.c.shipment_id == shipments.c.shipment_id)
_SHIPMENT_COLUMNS = [
    *(shipments.c[name] for name in Shipment.model_fields if name not in _LISTED_APART),
    _CARRIER_NUMBER.scalar_subquery().label("carrier_number"),
]
_IN_CASE = exists().where((refund_items.c.finding_id == postage_findings.c.finding_id) & refund_items.c.live)
_TAKEN_UP = or_(_IN_CASE, exists().where(after_charges.c.finding_id == postage_findings.c.finding_id))
_CARD_MISSING = exists().where(
    shipment_cards.c.shipment_id == shipments.c.shipment_id,
    ~exists().where(
        packing_scans.c.shipment_id == shipment_cards.c.shipment_id,
        packing_scans.c.card_id == shipment_cards.c.card_id,
        packing_scans.c.taken_out_at.is_(None),
    ),
)


class Shipments:
    """Letters, from packed over closed to posted, or cancelled. A card lies in at most one live letter."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    def add(self, *new: Shipment) -> None:
        """Keep planned shipments with their cards and shares, all or none.

        Raises Refused `shipment.card_taken` when a card lies in another live shipment, `shipment.known` when an id or
        a number is taken.
        """
        with self._tx.whole():
            if not self._tx.insert_many_new(shipments, [_row_of(shipment) for shipment in new]):
                raise _known(new)
            if not self._tx.insert_many_new(shipment_cards, [row for shipment in new for row in _card_rows(shipment)]):
                raise self._taken(new)
            self._tx.insert_many_new(shipment_shares, [row for shipment in new for row in _share_rows(shipment)])

    def _taken(self, new: Sequence[Shipment]) -> Refused:
        ids, inside = [s.shipment_id for s in new], [card_id for s in new for card_id in s.card_ids]
        elsewhere = shipment_cards.c.live & shipment_cards.c.shipment_id.not_in(ids)
        query = select(func.min(shipment_cards.c.card_id)).where(elsewhere, shipment_cards.c.card_id.in_(inside))
        return Refused(
            "shipment.card_taken",
            f"card {self._tx.connection.scalar(query)} lies in another live shipment",
            fix="nothing to do: it goes with the other letter",
        )

    def get(self, shipment_id: str) -> Shipment:
        """The shipment. Raises Refused `shipment.unknown`."""
        return self._one(select(*_SHIPMENT_COLUMNS), shipment_id)

    def locked(self, shipment_id: str) -> Shipment:
        """The shipment, held until the end of the transaction. Raises Refused `shipment.unknown`."""
        return self._one(select(*_SHIPMENT_COLUMNS).with_for_update(), shipment_id)

    def _one(self, query: Select[Any], shipment_id: str) -> Shipment:
        found = self._all(query.where(shipments.c.shipment_id == shipment_id))
        if not found:
            raise Refused("shipment.unknown", f"there is no shipment {shipment_id!r}", fix="see `hsecard status`")
        return found[0]

    def by_number(self, number: int) -> Shipment | None:
        """The shipment whose DataMatrix says this number, or None."""
        found = self._all(select(*_SHIPMENT_COLUMNS).where(shipments.c.number == number))
        return found[0] if found else None

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

    def close(self, shipment_id: str) -> bool:
        """Packed → closed, once every card of it is scanned into it. False when one is missing, or it is not packed."""
        return self._step(shipment_id, (ShipmentState.PACKED,), ~_CARD_MISSING, state=ShipmentState.CLOSED)

    def reopen(self, shipment_id: str) -> bool:
        """Closed → packed. False when it is not closed."""
        return self._step(shipment_id, (ShipmentState.CLOSED,), state=ShipmentState.PACKED)

    def reprice(self, shipment: Shipment) -> None:
        """Put the postage and the shares of `shipment` in the place of those on record. Nothing once it is posted."""
        columns = shipment.model_dump(include={"product", "tariff", "postage_net_ore", "vat_percent"})
        unposted = (shipments.c.shipment_id == shipment.shipment_id) & (shipments.c.state != ShipmentState.POSTED)
        if self._tx.connection.execute(update(shipments).where(unposted).values(columns)).rowcount == 0:
            return
        for row in _share_rows(shipment):
            share = (shipment_shares.c.shipment_id == row["shipment_id"]) & (shipment_shares.c.place == row["place"])
            self._tx.connection.execute(update(shipment_shares).where(share).values(net_ore=row["net_ore"]))

    def posted(self, shipment_id: str, booking: str, posted_at: datetime) -> bool:
        """Closed → posted with the carrier's booking. False when it is not closed (any more)."""
        values = {"state": ShipmentState.POSTED, "booking": booking, "posted_at": posted_at}
        return self._step(shipment_id, (ShipmentState.CLOSED,), **values)

    def cancel(self, shipment_id: str) -> bool:
        """Packed or closed → cancelled; its cards may go in another letter. False when it is neither any more."""
        before = (ShipmentState.PACKED, ShipmentState.CLOSED)
        if not self._step(shipment_id, before, state=ShipmentState.CANCELLED):
            return False
        self._tx.connection.execute(
            update(shipment_cards).where(shipment_cards.c.shipment_id == shipment_id).values(live=False)
        )
        return True

    def came_back(self, card_id: str) -> bool:
        """A posted card returned: its place in that letter is over, it may be posted again. False without a letter."""
        live = (shipment_cards.c.card_id == card_id) & shipment_cards.c.live
        return self._tx.connection.execute(update(shipment_cards).where(live).values(live=False)).rowcount == 1

    def _step(
        self, shipment_id: str, before: tuple[ShipmentState, ...], *conditions: ColumnElement[bool], **values: Any
    ) -> bool:
        there = and_(shipments.c.shipment_id == shipment_id, shipments.c.state.in_(before), *conditions)
        return self._tx.connection.execute(update(shipments).where(there).values(values)).rowcount == 1

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
        return self.add_charges([charge]) == 1

    def add_charges(self, charges: Sequence[PostageCharge]) -> int:
        """Keep charges; how many of them are new. Raises Refused `postage.charge_changed` for other content."""
        new = 0
        for start in range(0, len(charges), _CHARGES_A_QUERY):
            part = charges[start : start + _CHARGES_A_QUERY]
            known = self._known(part)
            rows = [_charge_row(charge) for charge in part if charge.charge_id not in known]
            if not self._tx.insert_many_new(postage_charges, rows):
                known = self._known(part)  # somebody else has taken in some of them in the same moment
            _refuse_changed(part, known)
            new += len(rows)
        return new

    def _known(self, charges: Sequence[PostageCharge]) -> dict[str, PostageCharge]:
        ids = postage_charges.c.charge_id.in_([charge.charge_id for charge in charges])
        found = self._charges(select(postage_charges.c.content).where(ids))
        return {charge.charge_id: charge for charge in found}

    def charges(self) -> list[PostageCharge]:
        """Every charge, by id."""
        return self._charges(select(postage_charges.c.content).order_by(postage_charges.c.charge_id))

    def letters(
        self,
        *,
        after: LetterName = FIRST_LETTER,
        limit: int,
        posted_from: date | None = None,
        posted_until: date | None = None,
    ) -> list[PostageCharge]:
        """All charges of the next `limit` letters past `after`, letter by letter: page on with the last one's name.

        With days given (both included), letters with a charge posted then, or never: those have no day. A letter of
        ours waits until each order that bears a part of it is invoiced, since its parts are judged by the whole.
        """
        name = (postage_charges.c.origin, postage_charges.c.shipment)
        bearing = select(func.count()).where(shipment_shares.c.shipment_id == postage_charges.c.shipment)
        whole = or_(
            postage_charges.c.origin != "own",
            func.count(postage_charges.c.order_number.distinct()) >= bearing.scalar_subquery(),
        )
        day = postage_charges.c.posted_on
        asked = [day >= posted_from] if posted_from else []
        asked += [day <= posted_until] if posted_until else []
        in_period = func.count().filter(or_(day.is_(None), and_(true(), *asked))) > 0
        page = (
            select(*name)
            .where(tuple_(*name) > tuple_(*after))
            .group_by(*name)
            .having(whole, in_period)
            .order_by(*name)
            .limit(limit)
            .subquery()
        )
        here = and_(page.c.origin == postage_charges.c.origin, page.c.shipment == postage_charges.c.shipment)
        query = select(postage_charges.c.content).join(page, here)
        return self._charges(query.order_by(*name, postage_charges.c.charge_id))

    def _charges(self, query: Select[Any]) -> list[PostageCharge]:
        return [PostageCharge.model_validate(content) for content in self._tx.connection.scalars(query)]

    def given_back(self, charge_ids: Sequence[str]) -> dict[str, GivenBack]:
        """What live refund cases give back, by charge, less what is charged after all; others are left out."""
        amounts = (func.sum(postage_findings.c.refund_net_ore), func.sum(postage_findings.c.refund_vat_ore))
        found: dict[str, GivenBack] = {}
        for some in _parts(charge_ids):
            query = select(postage_findings.c.charge_id, *amounts, func.count()).where(
                postage_findings.c.charge_id.in_(some), _IN_CASE
            )
            for row in self._tx.connection.execute(query.group_by(postage_findings.c.charge_id)):
                found[row[0]] = GivenBack(int(row[1]), int(row[2]), row[3])
            for charge_id, net, charge in self._tx.connection.execute(_charged_after(some)):
                back, vat = found.get(charge_id, GivenBack()), vat_ore(net, charge["vat_percent"])
                found[charge_id] = GivenBack(back.net_ore - net, back.vat_ore - vat, back.findings + 1)
        return found

    def judge(self, charge_ids: Sequence[str], findings: Sequence[PostageFinding]) -> list[str]:
        """These charges were judged and `findings` is all that is wrong with them; what became of each finding.

        `found`, `already_found`, `found_otherwise` (another kind or amount than before), `withdrawn` (no longer
        found). A finding in a live refund case, or charged after all, stands as it was.
        """
        open_ones = {finding.finding_id: finding for finding in self.findings(without_case=True, of=charge_ids)}
        outcomes = []
        for finding in findings:
            before = open_ones.pop(finding.finding_id, None)
            if before is None:
                outcomes.append("found" if self._insert(finding) else "already_found")
            elif _judged(before) == _judged(finding):
                outcomes.append("already_found")
            else:
                self._remove(before)
                self._insert(finding)
                outcomes.append("found_otherwise")
        for finding in open_ones.values():
            self._remove(finding)
        return outcomes + ["withdrawn"] * len(open_ones)

    def _insert(self, finding: PostageFinding) -> bool:
        row = {name: getattr(finding, name) for name in _FINDING_COLUMNS}
        return self._tx.insert_new(postage_findings, {**row, "charge_id": finding.charge.charge_id})

    def _remove(self, finding: PostageFinding) -> None:
        one = postage_findings.c.finding_id == finding.finding_id
        self._tx.connection.execute(delete(postage_findings).where(one, ~_TAKEN_UP))

    def findings(
        self, without_case: bool = False, of: Sequence[str] | None = None, *, among: Collection[str] | None = None
    ) -> list[PostageFinding]:
        """Findings by id; with `without_case`, those that nobody has taken up; `of` these charges only, or
        `among` these ids only.

        In a transaction that writes, findings without a case are held as they are until its end: nothing is judged
        again while a case takes it up.
        """
        query = select(postage_findings, postage_charges.c.content).join(
            postage_charges, postage_charges.c.charge_id == postage_findings.c.charge_id
        )
        if without_case:
            query = query.where(~_TAKEN_UP)
            if self._tx.writing:
                query = query.with_for_update(of=postage_findings)
        if among is not None:
            query = query.where(postage_findings.c.finding_id.in_(among))
        if of is None:
            return self._findings(query)
        return [
            one for some in _parts(of) for one in self._findings(query.where(postage_findings.c.charge_id.in_(some)))
        ]

    def _findings(self, query: Select[Any]) -> list[PostageFinding]:
        found = []
        for row in self._tx.connection.execute(query.order_by(postage_findings.c.finding_id)).mappings():
            content = dict(row)
            del content["charge_id"]
            content["charge"] = content.pop("content")
            found.append(PostageFinding.model_validate(content))
        return found


def _charged_after(charge_ids: Sequence[str]) -> Select[Any]:
    """(charge id, net øre, the charge's content) of what was too little and is charged after all."""
    here = postage_findings.c.finding_id == after_charges.c.finding_id
    charge = postage_charges.c.charge_id == postage_findings.c.charge_id
    columns = (postage_findings.c.charge_id, after_charges.c.net_ore, postage_charges.c.content)
    query = select(*columns).join(postage_findings, here).join(postage_charges, charge)
    return query.where(postage_findings.c.charge_id.in_(charge_ids))


def _parts(ids: Sequence[str]) -> list[Sequence[str]]:
    return [ids[start : start + _CHARGES_A_QUERY] for start in range(0, len(ids), _CHARGES_A_QUERY)]


def _judged(finding: PostageFinding) -> tuple[FindingKind, int | None, int, int]:
    return finding.kind, finding.due_net_ore, finding.refund_net_ore, finding.refund_vat_ore


def _charge_row(charge: PostageCharge) -> dict[str, Any]:
    return {name: getattr(charge, name) for name in _CHARGE_COLUMNS} | {"content": charge.model_dump(mode="json")}


def _refuse_changed(charges: Sequence[PostageCharge], known: Mapping[str, PostageCharge]) -> None:
    for charge in charges:
        before = known.get(charge.charge_id, charge)
        changed = [name for name in PostageCharge.model_fields if getattr(before, name) != getattr(charge, name)]
        if changed:
            raise Refused(
                "postage.charge_changed",
                f"charge {charge.charge_id} is on record with other content: "
                + ", ".join(
                    f"{name} {getattr(before, name)} there and {getattr(charge, name)} here" for name in changed
                ),
                field=changed[0],
                fix="what was charged does not change: correct the file, or give a new charge its own id",
            )


def _row_of(shipment: Shipment) -> dict[str, Any]:
    row = shipment.model_dump(mode="json", include={"address", "label_lines"})
    return row | shipment.model_dump(exclude={*_LISTED_APART, *row})


def _card_rows(shipment: Shipment) -> list[dict[str, Any]]:
    of = {"shipment_id": shipment.shipment_id, "live": shipment.state is not ShipmentState.CANCELLED}
    return [{**of, "place": place, "card_id": card_id} for place, card_id in enumerate(shipment.card_ids, start=1)]


def _share_rows(shipment: Shipment) -> list[dict[str, Any]]:
    return [
        {"shipment_id": shipment.shipment_id, "place": place, "order_number": order_number, "net_ore": net_ore}
        for place, (order_number, net_ore) in enumerate(shipment.shares, start=1)
    ]


def _known(new: Sequence[Shipment]) -> Refused:
    return Refused(
        "shipment.known",
        f"a number from {new[0].number} to {new[-1].number}, or its shipment, exists already",
        fix="pack again: the next number is taken from the series",
    )
