"""The returning side of our own Stripe: refunds, and credit notes on invoices with the refunds linked to them.

As strict as Stripe: no refund above what was paid, no credit above a line or the invoice, and the part of a credit note
that was paid must be given back to the øre. Refunds on the side lower what can be credited.
"""

from collections.abc import Mapping
from typing import Any

from billing.adapters.payments_twin import PaymentsTwin
from billing.adapters.stripe_fake_invoices import BEGIN, Answer, FakeInvoices, error, page
from cards.errors import Refused

_Json = dict[str, Any]


class FakeRefunds:
    """Refunds and credit notes over the invoices of `books`. Not locked: its server is."""

    def __init__(self, twin: PaymentsTwin, books: FakeInvoices) -> None:
        self._twin = twin
        self._books = books
        self.refunds: list[_Json] = []
        self.credit_notes: dict[str, _Json] = {}
        self.off_by_ore = 0  # what this Stripe adds to the VAT of each credit note, to be found out

    def post(self, path: str, form: _Json) -> Answer | None:
        """One act."""
        if path == "/v1/refunds":
            return self._refund(form)
        return self._credit(form) if path == "/v1/credit_notes" else None

    def get(self, path: str, query: Mapping[str, Any]) -> Answer | None:
        """Refunds, credit notes, their lines, and what a credit note would be."""
        parts = path.removeprefix("/v1/").split("/")
        if parts[0] == "payment_intents":
            return self._payment(parts[1])
        if parts == ["refunds"]:
            return self._list(path, query)
        if parts == ["credit_notes", "preview"]:
            return self._drawn_up(dict(query))
        if parts == ["credit_notes"]:
            every = [one for one in self.credit_notes.values() if query.get("invoice") in (None, one["invoice"])]
            return page(path, every, query)
        if parts[0] == "credit_notes":
            return page(path, self.credit_notes[parts[1]]["lines"]["data"], query)
        return None

    def fail(self, name: str) -> None:
        """The payer's bank sends a refund back."""
        number, refund = next((n, one) for n, one in enumerate(self.refunds, start=1) if one["id"] == name)
        refund["status"] = "failed"
        self._twin.return_refund(f"stripe-fake-{number}")
        self._books.moved("refund_failure", {"id": name}, refund["amount"])
        for kind in ("charge.refund.updated", "refund.failed"):
            self._books.happened(kind, dict(refund))

    def _refund(self, form: _Json) -> Answer:
        payment, number = str(form.get("payment_intent")), len(self.refunds) + 1
        try:
            amount = int(form["amount"]) if "amount" in form else self._twin.paid_ore(payment)
            self._twin.refund(f"stripe-fake-{number}", payment, amount, f"refund {number}")
        except Refused as refusal:
            return _refusal(refusal)
        refund = {
            "id": f"re_{number}",
            "object": "refund",
            "amount": amount,
            "charge": None,
            "created": BEGIN + number,
            "currency": "nok",
            "metadata": form.get("metadata", {}),
            "payment_intent": payment,
            "reason": form.get("reason"),
            "status": "succeeded",
        }
        self.refunds.append(refund)
        self._books.moved("payment_refund", {"id": refund["id"], "payment_intent": payment}, -amount)
        self._books.happened("refund.created", dict(refund))
        return 200, refund

    def _list(self, path: str, query: Mapping[str, Any]) -> Answer:
        wanted = query.get("payment_intent")
        if wanted is not None and self._payment(wanted)[0] != 200:
            return self._payment(wanted)
        return page(path, [one for one in self.refunds if wanted in (None, one["payment_intent"])], query)

    def _payment(self, payment: str) -> Answer:
        try:
            amount = self._twin.received_ore(payment)
        except Refused as refusal:
            return _refusal(refusal)
        row = {"id": payment, "object": "payment_intent", "currency": "nok", "metadata": {}, "status": "succeeded"}
        return 200, {**row, "amount": amount, "amount_received": amount}

    # --- credit notes ------------------------------------------------------------------------------------------

    def _credit(self, form: _Json) -> Answer:
        status, note = self._drawn_up(form)
        if status != 200:
            return status, note
        name = f"cn_{len(self.credit_notes) + 1}"
        invoice = self._books.invoices[note["invoice"]]
        invoice["amount_remaining"] -= note["pre_payment_amount"]
        if not invoice["amount_remaining"]:
            invoice["status"] = "paid"
        self.credit_notes[name] = {**note, "id": name}
        self._books.happened("credit_note.created", dict(self.credit_notes[name]))
        return 200, self.credit_notes[name]

    def _drawn_up(self, form: _Json) -> Answer:
        """The credit note that a request asks for, or why there can be none."""
        invoice = self._books.invoices.get(str(form.get("invoice")))
        if invoice is None or invoice["status"] not in ("open", "paid"):
            return error(400, "Credit notes can only be made for open or paid invoices", "invoice_not_open")
        lines = [_line(number, line) for number, line in enumerate(form.get("lines", []), start=1)]
        wrong = next((words for line in lines if (words := self._wrong_line(invoice, line))), None)
        net = sum(line["amount"] for line in lines)
        vat = sum(each["amount"] for line in lines for each in line["taxes"]) + self.off_by_ore
        before = min(invoice["amount_remaining"], net + vat)
        wrong = wrong or self._wrong_sums(invoice, form, net + vat, net + vat - before)
        if wrong:
            return error(400, wrong, "parameter_invalid")
        return 200, {
            "object": "credit_note",
            "status": "issued",
            "currency": "nok",
            "invoice": invoice["id"],
            "subtotal": net,
            "total": net + vat,
            "total_taxes": [{"amount": vat}],
            "pre_payment_amount": before,
            "post_payment_amount": net + vat - before,
            "out_of_band_amount": int(form.get("out_of_band_amount", 0)),
            "refunds": [{**one, "amount_refunded": int(one["amount_refunded"])} for one in form.get("refunds", [])],
            "lines": {"object": "list", "data": lines, "has_more": False, "url": "/v1/credit_notes/lines"},
            "metadata": form.get("metadata", {}),
        }

    def _wrong_line(self, invoice: _Json, line: _Json) -> str | None:
        whole = next((one for one in invoice["lines"]["data"] if one["id"] == line["invoice_line_item"]), None)
        if whole is None:
            return f"No such invoice line item: {line['invoice_line_item']}"
        rates = {each["tax_rate_details"]["tax_rate"] for each in whole["taxes"]}
        if {each["tax_rate"] for each in line["taxes"]} - rates:
            return "The tax rate is not the line's"
        notes = [note for note in self.credit_notes.values() if note["invoice"] == invoice["id"]]
        credited = [one for note in notes for one in note["lines"]["data"] if one["invoice_line_item"] == whole["id"]]
        left = whole["amount"] - sum(one["amount"] for one in credited)
        return None if 0 < line["amount"] <= left else f"The line has {left} left to credit"

    def _wrong_sums(self, invoice: _Json, form: _Json, total: int, paid: int) -> str | None:
        notes = [note for note in self.credit_notes.values() if note["invoice"] == invoice["id"]]
        linked = [*(one for note in notes for one in note["refunds"]), *form.get("refunds", [])]
        standing = self._standing(invoice)
        aside = sum(one["amount"] for one in standing) - sum(int(one["amount_refunded"]) for one in linked)
        if aside < 0 or {one["refund"] for one in linked} - {one["id"] for one in standing}:
            return "No such refund of this invoice, or not so much of it"
        if total > invoice["total"] - sum(note["total"] for note in notes) - aside:
            return "The credit note is above what is left to credit"
        back = sum(int(one["amount_refunded"]) for one in form.get("refunds", []))
        if paid != back + int(form.get("out_of_band_amount", 0)) + int(form.get("credit_amount", 0)):
            return f"Refunds, credit and out-of-band amounts must come to the post-payment amount of {paid}"
        return None

    def _standing(self, invoice: _Json) -> list[_Json]:
        payment = invoice.get("payment")
        return [one for one in self.refunds if one["payment_intent"] == payment and one["status"] == "succeeded"]


def _line(number: int, line: _Json) -> _Json:
    taxes = [{**each, "amount": int(each["amount"])} for each in line.get("tax_amounts", [])]
    row = {"id": f"cnli_{number}", "object": "credit_note_line_item", "amount": int(line.get("amount", 0))}
    return {**row, "invoice_line_item": line.get("invoice_line_item"), "type": line["type"], "taxes": taxes}


def _refusal(refusal: Refused) -> Answer:
    """The twin's refusal in Stripe's words."""
    if refusal.code == "payments.unknown_payment":
        return error(404, "No such payment_intent", "resource_missing")
    words = {"type": "invalid_request_error", "message": "Refund amount is greater than unrefunded amount on charge"}
    return 400, {"error": words}
