"""Postage charged before, judged again by the tariff of its posting day, with the reason why it was wrong.

One physical letter has one correct price, shared over its orders by cards (largest remainder). A day without a known
tariff gets no verdict; what was charged too low is told and never claimed back. What was given back before, here or
elsewhere, is taken off, so that running again finds nothing new and no error is refunded twice.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from types import MappingProxyType

from cards.errors import Refused
from cards.money import nok, share_ore, vat_ore
from shipping.models import FindingKind, GivenBack, PostageCharge, PostageFinding, TariffRow, Zone
from shipping.tariffs import ZONES, cheapest_that_holds, price, rows_of_day

RULE_VERSION = 1  # raise it with every change of these rules: findings of both versions can then be told apart
PRICES_REMEMBERED = 50_000
VAT_SLACK_ORE = 1  # VAT is rounded on an invoice's sum, so one line of it may differ by an øre


@dataclass(frozen=True)
class _Letter:
    """The charges of one physical letter and what is due for each; `unknown` says why there is no verdict."""

    charges: tuple[PostageCharge, ...]
    row: TariffRow | None
    due: dict[str, int]
    unknown: str | None = None


def audit(
    charges: Sequence[PostageCharge],
    *,
    rows: Sequence[TariffRow],
    given_back: Mapping[str, GivenBack] = MappingProxyType({}),
) -> list[PostageFinding]:
    """Every charge that differs from what was due, or cannot be judged, in the order of `charges`.

    All charges of a letter must be among `charges`. `given_back` by charge id is taken off what was charged. Refunds
    are net and VAT in øre, never negative. Raises Refused `postage.charge_twice` when two charges have one id.
    """
    _refuse_doubles(charges)
    book = _book_of(tuple(rows))
    findings: dict[str, PostageFinding] = {}
    for group in _letters(charges):
        letter = _judge(group, book)
        for charge in group:
            finding = _finding(charge, letter, book, given_back.get(charge.charge_id, GivenBack()))
            if finding is not None:
                findings[charge.charge_id] = finding
    return [findings[charge.charge_id] for charge in charges if charge.charge_id in findings]


def _refuse_doubles(charges: Sequence[PostageCharge]) -> None:
    seen: set[str] = set()
    for charge in charges:
        if charge.charge_id in seen:
            raise Refused(
                "postage.charge_twice",
                f"the charge {charge.charge_id} was given twice",
                field="charge_id",
                fix="give every charge its own id; a doubled row would be refunded twice",
            )
        seen.add(charge.charge_id)


def _letters(charges: Sequence[PostageCharge]) -> Iterable[tuple[PostageCharge, ...]]:
    groups: dict[tuple[str, str], list[PostageCharge]] = {}
    for charge in charges:
        groups.setdefault((charge.origin, charge.shipment), []).append(charge)
    return (tuple(group) for group in groups.values())


def _judge(charges: tuple[PostageCharge, ...], book: "_Book") -> _Letter:
    """What is due for each charge of one letter. Never shipped and our own re-ship owe nothing."""
    due = {charge.charge_id: 0 for charge in charges}
    bearing = [charge for charge in charges if charge.posted_on is not None and not charge.fault_reship]
    if not bearing:
        return _Letter(charges, None, due)
    day, zone = bearing[0].posted_on, bearing[0].zone
    if day is None or any((charge.posted_on, charge.zone) != (day, zone) for charge in bearing):
        return _Letter(charges, None, due, "the charges of this letter disagree on the posting day or the zone")
    weight_g = max(charge.weight_g for charge in bearing)  # rows that disagree: the heavier letter, the dearer price
    thickness_mm = max(charge.thickness_mm for charge in bearing)
    row = book.price(day, zone, weight_g, thickness_mm)
    if isinstance(row, Refused):
        return _Letter(charges, None, due, row.message)
    shares = share_ore(row.net_ore, _cards_each(bearing))
    due |= {charge.charge_id: share for charge, share in zip(bearing, shares, strict=True)}
    return _Letter(charges, row, due)


def _cards_each(charges: Sequence[PostageCharge]) -> list[int]:
    cards = [charge.cards for charge in charges]
    return cards if any(cards) else [1] * len(charges)


def _finding(charge: PostageCharge, letter: _Letter, book: "_Book", given_back: GivenBack) -> PostageFinding | None:
    verdict = _Verdict(charge, letter, given_back)
    bears = charge.posted_on is not None and not charge.fault_reship
    if bears and letter.row is None:
        return verdict.finding(FindingKind.UNKNOWN_TARIFF, due=None, why=letter.unknown or "")
    due = letter.due[charge.charge_id]
    over = charge.charged_net_ore - verdict.back_net_ore - due
    if not over or _only_rounded(letter, over):
        return _vat_finding(verdict)
    causes = book.explain(charge, letter)
    why = ", ".join(causes) or "no single cause explains the amount"
    if over < 0:
        return verdict.finding(FindingKind.UNDERCHARGED, due=due, why=why)
    kind = causes[0] if causes else FindingKind.OVERCHARGED
    return verdict.finding(kind, due=due, why=why, refund_net=over, refund_vat=_vat_back(verdict, over, due))


def _vat_back(verdict: "_Verdict", over: int, due: int) -> int:
    """The VAT on what was charged too much; when the VAT was wrong as well, all of it above the VAT on what is due."""
    charge = verdict.charge
    plain = vat_ore(over, charge.vat_percent)
    exact = charge.vat_ore - verdict.back_vat_ore - vat_ore(due, verdict.vat_percent)
    return plain if abs(exact - plain) <= VAT_SLACK_ORE else max(exact, 0)


def _only_rounded(letter: _Letter, over: int) -> bool:
    """True when the letter's sum is right and only the odd øre fell on another order."""
    return abs(over) == 1 and sum(c.charged_net_ore for c in letter.charges) == sum(letter.due.values())


def _vat_finding(verdict: "_Verdict") -> PostageFinding | None:
    """The net is right: is the VAT? Too much VAT is paid back, too little is only told."""
    charge, percent = verdict.charge, verdict.vat_percent
    due = vat_ore(charge.charged_net_ore - verdict.back_net_ore, percent)
    over = charge.vat_ore - verdict.back_vat_ore - due
    if abs(over) <= VAT_SLACK_ORE and (charge.vat_percent == percent or verdict.back_vat_ore):
        return None
    why = f"VAT {nok(charge.vat_ore)} at {charge.vat_percent} %, due {nok(due + verdict.back_vat_ore)} at {percent} %"
    net_due = verdict.letter.due[charge.charge_id]
    return verdict.finding(FindingKind.VAT_WRONG, due=net_due, why=why, refund_vat=max(over, 0))


class _Book:
    """The tariffs as the audit reads them: what a letter cost, and which single mistake gives what was charged.

    Prices are remembered by day, zone and measures: half a million charges have few different letters.
    """

    def __init__(self, rows: Sequence[TariffRow]) -> None:
        self._rows = rows
        self._live: dict[tuple[date, Zone], tuple[TariffRow, ...]] = {}
        self._known: dict[tuple[date, Zone, float, float], TariffRow | Refused] = {}

    def price(self, day: date, zone: Zone, weight_g: float, thickness_mm: float) -> TariffRow | Refused:
        """The row that prices the letter, or the refusal that says why none does."""
        case = (day, zone, weight_g, thickness_mm)
        if case not in self._known:
            if len(self._known) >= PRICES_REMEMBERED:
                self._known.clear()
            try:
                found = price(self._rows, day=day, zone=zone, weight_g=weight_g, thickness_mm=thickness_mm)
            except Refused as refusal:
                self._known[case] = refusal
            else:
                self._known[case] = found
        return self._known[case]

    def explain(self, charge: PostageCharge, letter: _Letter) -> list[FindingKind]:
        """The mistakes that each explain the whole amount, the likeliest first."""
        if charge.fault_reship:
            return [FindingKind.OUR_FAULT_RESHIP]
        if charge.posted_on is None:
            return [FindingKind.NEVER_SHIPPED]
        if letter.row is None:
            return []
        return [*self._whole_price_repeated(charge, letter, letter.row), *self._other_row(charge, letter, letter.row)]

    def _whole_price_repeated(self, charge: PostageCharge, letter: _Letter, row: TariffRow) -> list[FindingKind]:
        charged, cards = charge.charged_net_ore, charge.cards
        same_order = [other for other in letter.charges if other.order_number == charge.order_number]
        orders = {other.order_number for other in letter.charges}
        smallest = self._prices(row.zone, charge)[:1]
        one_price = {row.net_ore, *(other.net_ore for other in smallest)}
        causes = []
        if (cards > 1 and charged in {net * cards for net in one_price}) or (
            len(same_order) > 1 and charged in one_price
        ):
            causes.append(FindingKind.CHARGED_PER_CARD)
        if len(orders) > 1 and charged == row.net_ore:
            causes.append(FindingKind.CHARGED_PER_ORDER)
        return causes

    def _prices(self, zone: Zone, charge: PostageCharge) -> tuple[TariffRow, ...]:
        if charge.posted_on is None:
            return ()
        case = (charge.posted_on, zone)
        if case not in self._live:
            self._live[case] = rows_of_day(self._rows, day=charge.posted_on, zone=zone)
        return self._live[case]

    def _other_row(self, charge: PostageCharge, letter: _Letter, row: TariffRow) -> list[FindingKind]:
        """The kinds of mistake whose price, shared the same way, is what was charged."""
        same_day = self._prices(row.zone, charge)
        classes = sorted((r for r in same_day if r.max_thickness_mm == row.max_thickness_mm), key=_by_weight)
        place = classes.index(row)
        candidates: tuple[tuple[FindingKind, Sequence[TariffRow]], ...] = (
            (FindingKind.WRONG_WEIGHT_CLASS, classes[max(place - 1, 0) : place + 2]),  # one step off is the likeliest
            (FindingKind.WRONG_FORMAT_CLASS, [r for r in same_day if r.max_weight_g == row.max_weight_g]),
            (FindingKind.WRONG_ZONE, self._of_other_zones(charge, row)),
            (FindingKind.WRONG_DAY, self._of_other_days(charge, row)),
            (FindingKind.WRONG_WEIGHT_CLASS, classes),
        )
        found = [
            kind
            for kind, rows in candidates
            if any(_share_of(charge, letter, other.net_ore) == charge.charged_net_ore for other in rows)
        ]
        return list(dict.fromkeys(found))

    def _of_other_zones(self, charge: PostageCharge, row: TariffRow) -> list[TariffRow]:
        live = [self._prices(zone, charge) for zone in ZONES if zone != row.zone]
        return _holding(live, charge)

    def _of_other_days(self, charge: PostageCharge, row: TariffRow) -> list[TariffRow]:
        tariffs: dict[str, list[TariffRow]] = {}
        for other in self._rows:
            if other.zone == row.zone and other.tariff != row.tariff:
                tariffs.setdefault(other.tariff, []).append(other)
        return _holding(list(tariffs.values()), charge)


def _by_weight(row: TariffRow) -> int:
    return row.max_weight_g


def _holding(tables: Iterable[Sequence[TariffRow]], charge: PostageCharge) -> list[TariffRow]:
    """What each table would have charged for this letter, where it holds it at all."""
    rows = (cheapest_that_holds(t, weight_g=charge.weight_g, thickness_mm=charge.thickness_mm) for t in tables)
    return [row for row in rows if row is not None]


def _share_of(charge: PostageCharge, letter: _Letter, net_ore: int) -> int:
    """What `charge` would bear of another price for the whole letter."""
    bearing = [other for other in letter.charges if other.posted_on is not None and not other.fault_reship]
    shares = share_ore(net_ore, _cards_each(bearing))
    return next(share for other, share in zip(bearing, shares, strict=True) if other is charge)


@lru_cache(maxsize=2)
def _book_of(rows: tuple[TariffRow, ...]) -> _Book:
    return _Book(rows)


@dataclass(frozen=True)
class _Verdict:
    """A charge in its letter, and what was given back of it already, here and before this system."""

    charge: PostageCharge
    letter: _Letter
    given_back: GivenBack

    @property
    def back_net_ore(self) -> int:
        return self.charge.refunded_net_ore + self.given_back.net_ore

    @property
    def back_vat_ore(self) -> int:
        return self.charge.refunded_vat_ore + self.given_back.vat_ore

    @property
    def vat_percent(self) -> int:
        """The rate of the letter's tariff; where there is none, the rate that was charged."""
        return self.letter.row.vat_percent if self.letter.row else self.charge.vat_percent

    def finding(
        self, kind: FindingKind, *, due: int | None, why: str, refund_net: int = 0, refund_vat: int = 0
    ) -> PostageFinding:
        again = f".{self.given_back.findings + 1}" if self.given_back.findings else ""
        evidence = _evidence(self.charge, self.letter, due=due, why=why)
        if self.back_net_ore or self.back_vat_ore:
            evidence["given_back_before"] = f"{nok(self.back_net_ore)} and VAT {nok(self.back_vat_ore)}"
        return PostageFinding(
            finding_id=f"{self.charge.charge_id}/v{RULE_VERSION}{again}",
            charge=self.charge,
            kind=kind,
            due_net_ore=due,
            refund_net_ore=refund_net,
            refund_vat_ore=refund_vat,
            evidence=evidence,
        )


def _evidence(charge: PostageCharge, letter: _Letter, *, due: int | None, why: str) -> dict[str, str]:
    """What finance reads before it approves: the letter, the price and where it comes from, charged and due."""
    told = {
        "shipment": charge.shipment,
        "orders_in_letter": ", ".join(sorted({other.order_number for other in letter.charges})),
        "posted_on": charge.posted_on.isoformat() if charge.posted_on else "never shipped",
        "zone": charge.zone,
        "weight_g": f"{charge.weight_g:g}",
        "thickness_mm": f"{charge.thickness_mm:g}",
        "cards": str(charge.cards),
        "charged_net": nok(charge.charged_net_ore),
        "charged_vat": f"{nok(charge.vat_ore)} at {charge.vat_percent} %",
        "due_net": nok(due) if due is not None else "unknown",
        "cause": why,
        "rule_version": str(RULE_VERSION),
    }
    if letter.row is not None:
        told |= {
            "letter_price_net": nok(letter.row.net_ore),
            "letter_price_gross": f"{nok(letter.row.gross_ore)} with {letter.row.vat_percent} % VAT inside",
            "tariff": f"{letter.row.tariff}, {letter.row.product}",
            "source": letter.row.source,
            "confidence": letter.row.confidence,
        }
    return told
