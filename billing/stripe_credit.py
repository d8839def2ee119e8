"""Our credit note on an invoice that lies at Stripe, in Stripe's parameters: our figures to the øre, our refund linked.

Pure. What is credited is laid on the invoice's own lines there, postage first, each up to what is left of it; VAT is
set by hand like the invoice's. What the invoice still owes is lowered first, as Stripe does it; the rest was paid, and
has to be given back: by our refunds, or outside Stripe.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict

from billing.models import CreditNote, Invoice, LineKind
from cards.errors import Refused

_Parameters = dict[str, Any]
_Group = tuple[str, int]  # category and rate


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class GivenBack(_Frozen):
    """A refund at Stripe, and how much of it belongs to this credit note. Øre."""

    refund: str
    amount_ore: int


class Credit(_Frozen):
    """What a credit note says of one invoice, and the refunds that gave it back. `reference` is the invoice there."""

    note: CreditNote
    invoice: Invoice
    reference: str
    refunds: tuple[GivenBack, ...] = ()

    @property
    def groups(self) -> dict[_Group, tuple[int, int]]:
        """(Net, VAT) in øre per VAT category and rate, of the note's lines about this invoice."""
        sums: dict[_Group, tuple[int, int]] = {}
        for line in self.note.lines:
            if line.invoice_number == str(self.invoice.number):
                net, vat = sums.get((line.vat_category, line.vat_percent), (0, 0))
                sums[line.vat_category, line.vat_percent] = net + line.net_ore, vat + line.vat_ore
        return sums

    @property
    def net_ore(self) -> int:
        """What goes back of the invoice before VAT."""
        return sum(net for net, _ in self.groups.values())

    @property
    def gross_ore(self) -> int:
        """The same with VAT."""
        return sum(net + vat for net, vat in self.groups.values())


class LineThere(_Frozen):
    """A line of the invoice at Stripe: our position of it, and what of its net is not credited yet."""

    line: str
    position: int
    left_ore: int
    tax_rate: str


def credit_note_parameters(credit: Credit, *, key: str, remaining_ore: int, lines: Sequence[LineThere]) -> _Parameters:
    """The whole credit note; `remaining_ore` is what the invoice still owes at Stripe.

    Raises Refused `payments.credit_not_fit` when Stripe has no place for it.
    """
    wanted: _Parameters = {
        "invoice": credit.reference,
        "email_type": "none",  # our own credit note goes to the payer, with our number
        "lines": [line for group in credit.groups for line in _lines(credit, group, lines)],
        "metadata": {"key": key, "credit_note": str(credit.note.number), "invoice": str(credit.invoice.number)},
    }
    paid_ore = credit.gross_ore - min(remaining_ore, credit.gross_ore)
    back_ore = sum(one.amount_ore for one in credit.refunds)
    if back_ore > paid_ore:
        raise _not_fit(credit, f"{back_ore} øre were given back over it and {paid_ore} øre of the credit were paid")
    if credit.refunds:
        wanted["refunds"] = [
            {"type": "refund", "refund": one.refund, "amount_refunded": one.amount_ore} for one in credit.refunds
        ]
    if paid_ore > back_ore:
        wanted["out_of_band_amount"] = paid_ore - back_ore
    return wanted


def _lines(credit: Credit, group: _Group, there: Sequence[LineThere]) -> Iterator[_Parameters]:
    """The group's net on the invoice's lines of its rate; VAT such that it comes to the very same øre."""
    net, vat = credit.groups[group]
    done = 0
    for line in _in_order(credit.invoice, group, there):
        part = min(line.left_ore, net - done)
        if part:
            share = _until(vat, net, done + part) - _until(vat, net, done)
            done += part
            yield _line(line, part, share)
    if done != net or not net:
        raise _not_fit(credit, f"{net} øre net and {vat} øre of VAT at {group[1]} % find no line to stand on")


def _in_order(invoice: Invoice, group: _Group, there: Sequence[LineThere]) -> list[LineThere]:
    """Lines of the same VAT, postage before cards: it is postage that is mostly given back."""
    ours = {line.position: invoice.lines[line.position - 1] for line in there}
    fit = [line for line in there if (ours[line.position].vat_category, ours[line.position].vat_percent) == group]
    return sorted(fit, key=lambda line: (ours[line.position].kind is not LineKind.POSTAGE, line.position))


def _until(vat: int, net: int, done: int) -> int:
    """The part of the VAT that falls on the first `done` of the net, half up."""
    return (2 * vat * done + net) // (2 * net)


def _line(line: LineThere, net_ore: int, vat_ore: int) -> _Parameters:
    return {
        "type": "invoice_line_item",
        "invoice_line_item": line.line,
        "amount": net_ore,
        "tax_amounts": [{"amount": vat_ore, "taxable_amount": net_ore, "tax_rate": line.tax_rate}],
    }


def refuse_other_credit(credit: Credit, wanted: _Parameters, seen: Mapping[str, object]) -> None:
    """Hold Stripe's preview against the issued credit note, to the øre. Raises Refused `payments.totals_differ`;
    then nothing was made there."""
    after = wanted.get("out_of_band_amount", 0) + sum(one.amount_ore for one in credit.refunds)
    ours: dict[str, object] = {
        "currency": "nok",
        "net_ore": credit.net_ore,
        "vat_ore": credit.gross_ore - credit.net_ore,
        "gross_ore": credit.gross_ore,
        "unpaid_ore": credit.gross_ore - after,
        "paid_ore": after,
    }
    for name, value in ours.items():
        if seen.get(name) != value:
            raise Refused(
                "payments.totals_differ",
                f"credit note {credit.note.number}: {name} would be {seen.get(name)} at Stripe and is {value} here",
                field=name,
                fix="nothing was made at Stripe; look at the invoice there, then make its credit note there by hand",
            )


def _not_fit(credit: Credit, why: str) -> Refused:
    return Refused(
        "payments.credit_not_fit",
        f"credit note {credit.note.number} cannot stand on invoice {credit.invoice.number} at Stripe: {why}",
        field="invoice",
        fix="the credit note is issued and booked here; look at the invoice at Stripe and correct it there by hand",
    )
