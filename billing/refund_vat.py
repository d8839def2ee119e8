"""VAT of what goes back: per category and rate on the sum, shared over the items to the øre, never above an invoice.

Findings carry the VAT of their own charge; a credit note states VAT on the sum of its lines. Both, and the money, must
say the same, so the items of a case are settled to the sum before anybody approves it. What completes the credit of an
invoice takes exactly what is left of its VAT: no øre too much, none left over.
"""

from collections.abc import Iterable, Sequence

from billing.models import CreditNote, Invoice, RefundItem
from billing.vat import VatGroup
from cards.errors import Refused
from cards.money import share_ore, vat_ore


def settled(items: Sequence[RefundItem]) -> tuple[RefundItem, ...]:
    """The items with VAT that sums, per category and rate, to half-up(net × rate).

    An item whose VAT is no rounding of net × rate corrects VAT that was itself wrong: it keeps what it says.
    """
    rated = [item for item in map(_with_category, items) if not _corrects_vat(item)]
    shared = _shared_vat(rated)
    return tuple(_with_vat(item, shared.get(item.finding_id, item.vat_ore)) for item in map(_with_category, items))


def trimmed(
    items: Sequence[RefundItem], originals: Sequence[Invoice], earlier: Sequence[CreditNote]
) -> tuple[RefundItem, ...]:
    """The items with VAT held to what is left on their own invoices. Settled items of no given invoice stay.

    Raises Refused `credit.above_invoice` when net, or VAT on its own, would go above the invoice, and
    `credit.unknown_line` when the invoice has no line of that category and rate.
    """
    vat = {item.finding_id: item.vat_ore for item in items}
    for original in originals:
        on_it = [item for item in items if item.invoice_number == str(original.number)]
        _refuse_above_lines(on_it, original, earlier)
        for group in sorted({group_of(item) for item in on_it}):
            vat |= _held_vat([item for item in on_it if group_of(item) == group], original, group, earlier)
    return tuple(_with_vat(item, vat[item.finding_id]) for item in items)


def group_of(item: RefundItem) -> VatGroup:
    """The category and rate an item belongs to."""
    return item.vat_category, item.vat_percent


def sums_by_group(items: Iterable[RefundItem]) -> dict[VatGroup, tuple[int, int]]:
    """(net, VAT) in øre of each category and rate."""
    sums: dict[VatGroup, tuple[int, int]] = {}
    for item in items:
        net, vat = sums.get(group_of(item), (0, 0))
        sums[group_of(item)] = (net + item.net_ore, vat + item.vat_ore)
    return sums


def _with_category(item: RefundItem) -> RefundItem:
    """Standard rate (S) is never 0 %: what was charged without VAT was delivered outside the VAT area (G)."""
    wrong = item.vat_percent == 0 and item.vat_category == "S"
    return item.model_copy(update={"vat_category": "G"}) if wrong else item


def _with_vat(item: RefundItem, vat: int) -> RefundItem:
    return item if item.vat_ore == vat else item.model_copy(update={"vat_ore": vat})


def _corrects_vat(item: RefundItem) -> bool:
    return item.net_ore == 0 or abs(item.vat_ore - vat_ore(item.net_ore, item.vat_percent)) > 1


def _shared_vat(items: Sequence[RefundItem]) -> dict[str, int]:
    """finding id → its share of the VAT on the sum of its group."""
    shares: dict[str, int] = {}
    for group in sorted({group_of(item) for item in items}):
        members = [item for item in items if group_of(item) == group]
        total = vat_ore(sum(item.net_ore for item in members), group[1])
        shares |= _share(members, total)
    return shares


def _share(members: Sequence[RefundItem], total: int) -> dict[str, int]:
    weights = [item.net_ore for item in members]
    if sum(weights) == 0:  # only VAT is corrected: by what each says
        weights = [item.vat_ore for item in members]
    if sum(weights) == 0:
        return {item.finding_id: 0 for item in members}
    return {item.finding_id: part for item, part in zip(members, share_ore(total, weights), strict=True)}


def _refuse_above_lines(items: Sequence[RefundItem], original: Invoice, earlier: Sequence[CreditNote]) -> None:
    """No line of an invoice gives back more than it charged, net."""
    number = str(original.number)
    nets = [(line.line, line.net_ore) for note in earlier for line in note.lines if line.invoice_number == number]
    nets += [(item.line, item.net_ore) for item in items]
    for place in {place for place, _ in nets if place is not None}:
        net = sum(net for of_line, net in nets if of_line == place)
        charged = original.lines[place - 1].net_ore if 0 < place <= len(original.lines) else 0
        if net > charged:
            raise _above(original, f"line {place} charged {charged} øre net, {net} øre would be credited")


def _held_vat(
    members: Sequence[RefundItem], original: Invoice, group: VatGroup, earlier: Sequence[CreditNote]
) -> dict[str, int]:
    """finding id → VAT of the items of one invoice and group, closing it exactly or staying below it."""
    left_net, left_vat = _left(original, group, earlier)
    net = sum(item.net_ore for item in members)
    if net > left_net:
        raise _above(original, f"net {net} øre of {left_net} øre left")
    wanted = sum(item.vat_ore for item in members)
    if net and net == left_net:
        return _share(members, left_vat)
    if not net and wanted > left_vat:
        raise _above(original, f"VAT {wanted} øre of {left_vat} øre left")
    return _share(members, left_vat) if wanted > left_vat else {}


def _left(original: Invoice, group: VatGroup, earlier: Sequence[CreditNote]) -> tuple[int, int]:
    """(net, VAT) in øre that can still be credited in this group of an invoice."""
    for line in original.vat:
        if (line.category, line.percent) == group:
            credited = [credited_on(note, str(original.number), group) for note in earlier]
            return line.net_ore - sum(net for net, _ in credited), line.vat_ore - sum(vat for _, vat in credited)
    raise Refused(
        "credit.unknown_line",
        f"invoice {original.number} has nothing at {group[1]} % in category {group[0]}",
        field="vat_percent",
        fix="correct the rate or the invoice number of the refund item",
    )


def credited_on(note: CreditNote, invoice_number: str, group: VatGroup) -> tuple[int, int]:
    """(net, VAT) that a credit note gives back of one group of one invoice."""
    lines = [
        line
        for line in note.lines
        if line.invoice_number == invoice_number and (line.vat_category, line.vat_percent) == group
    ]
    return sum(line.net_ore for line in lines), sum(line.vat_ore for line in lines)


def _above(original: Invoice, what: str) -> Refused:
    return Refused(
        "credit.above_invoice",
        f"invoice {original.number} would be credited above what it charged: {what}",
        field="net_ore",
        fix="look at the earlier credit notes of this invoice and propose what is left",
    )
