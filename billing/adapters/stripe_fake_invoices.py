"""The invoice side of our own Stripe: customers, drafts, lines, finalizing, sending, paying, and nothing forgiven.

A number stands once, a finalized invoice does not change, and the customer's balance is applied by itself when an
invoice is finalized, as at Stripe. Beside them what happened (events) and what moved on our balance.
"""

from collections.abc import Mapping
from typing import Any

_Json = dict[str, Any]
Answer = tuple[int, _Json]
BEGIN = 1_795_420_800  # Monday, 23 November 2026, 8 h UTC: the first event happens a second later


class FakeInvoices:
    """Customers and invoices. `post` and `get` answer None for paths that are not theirs. Not locked: its server is."""

    def __init__(self) -> None:
        self.customers: dict[str, _Json] = {}
        self.invoices: dict[str, _Json] = {}
        self.events: list[_Json] = []
        self.movements: list[_Json] = []
        self.off_by_ore = 0  # what this Stripe adds to the VAT of each draft, to be found out

    def post(self, path: str, form: _Json) -> Answer | None:
        """One act."""
        parts = path.removeprefix("/v1/").split("/")
        if parts == ["customers"]:
            return self._new_customer(form)
        if parts == ["invoices"]:
            return self._new_invoice(form)
        if parts[0] != "invoices":
            return None
        invoice = self.invoices.get(parts[1])
        if invoice is None:
            return error(404, f"No such invoice: {parts[1]}", "resource_missing")
        return {"add_lines": self._add_lines, "finalize": self._finalize, "send": self._send}[parts[2]](invoice, form)

    def get(self, path: str, query: Mapping[str, Any]) -> Answer | None:
        """One object, or a list, newest first."""
        kind, *name = path.removeprefix("/v1/").split("/")
        if name:
            return self._one(path, name, query) if kind == "invoices" else None
        if kind == "balance":
            return 200, self._balance()
        since = int(query.get("created", {}).get("gte", 0))
        lists = {
            "balance_transactions": [one for one in self.movements if one["created"] >= since],
            "customers": list(self.customers.values()),
            "events": [one for one in self.events if query.get("type") in (None, one["type"])],
            "invoices": [one for one in self.invoices.values() if query.get("customer") in (None, one["customer"])],
        }
        return page(path, lists[kind], query) if kind in lists else None

    def _one(self, path: str, name: list[str], query: Mapping[str, Any]) -> Answer:
        """An invoice, or its lines."""
        if name[0] not in self.invoices:
            return error(404, f"No such invoice: {name[0]}", "resource_missing")
        invoice = self.invoices[name[0]]
        return page(path, invoice["lines"]["data"], query) if len(name) > 1 else (200, invoice)

    def pay(self, name: str, payment: str, *, fee_ore: int = 0) -> None:
        """The payer pays what the invoice still owes; Stripe keeps its fee."""
        invoice = self.invoices[name]
        amount = invoice["amount_remaining"]
        at = BEGIN + len(self.events) + 1
        paid = {"status": "paid", "amount_remaining": 0, "amount_paid": amount, "payment": payment}
        self.invoices[name] |= {**paid, "status_transitions": {"paid_at": at}}
        self.moved("payment", {"id": f"py_{payment}", "payment_intent": payment}, amount, fee_ore=fee_ore)
        self.happened("invoice.paid", dict(invoice))
        link = {"type": "payment_intent", "payment_intent": payment}
        self.happened("invoice_payment.paid", {"id": f"inpay_{payment}", "invoice": name, "payment": link})

    def moved(
        self, kind: str, source: _Json | None, amount_ore: int, currency: str = "nok", *, fee_ore: int = 0
    ) -> None:
        """Money on the balance."""
        row = {"id": f"txn_{len(self.movements) + 1}", "object": "balance_transaction", "type": kind}
        row |= {"amount": amount_ore, "fee": fee_ore, "net": amount_ore - fee_ore, "currency": currency}  # type: ignore[dict-item]  # amounts beside words
        self.movements.append({**row, "source": source, "created": BEGIN + len(self.movements) + 1})

    def _balance(self) -> _Json:
        sums: dict[str, int] = {}
        for row in self.movements:
            sums[row["currency"]] = sums.get(row["currency"], 0) + row["net"]
        rows = [{"amount": amount, "currency": currency} for currency, amount in sums.items()]
        return {"object": "balance", "available": rows, "pending": []}

    def happened(self, kind: str, content: _Json) -> _Json:
        """Keep an event; a webhook delivers it."""
        number = len(self.events) + 1
        event = {"id": f"evt_{number}", "object": "event", "created": BEGIN + number, "type": kind}
        self.events.append({**event, "data": {"object": content}})
        return self.events[-1]

    def _new_customer(self, form: _Json) -> Answer:
        name = f"cus_{len(self.customers) + 1}"
        self.customers[name] = {"id": name, "object": "customer", "balance": 0, "metadata": {}, **form}
        return 200, self.customers[name]

    def _new_invoice(self, form: _Json) -> Answer:
        if form.get("customer") not in self.customers:
            return error(400, "No such customer", "resource_missing")
        if any(one["number"] == form.get("number") for one in self.invoices.values()):
            return error(400, "This invoice number is taken already", "invoice_number_taken")
        name = f"in_{len(self.invoices) + 1}"
        row = {"id": name, "object": "invoice", "status": "draft", "metadata": {}, "starting_balance": 0, **form}
        row["lines"] = {"object": "list", "url": f"/v1/invoices/{name}/lines", "has_more": False, "data": []}
        self.invoices[name] = row
        self._sum_up(row)
        return 200, row

    def _add_lines(self, invoice: _Json, form: _Json) -> Answer:
        if invoice["status"] != "draft":
            return error(400, "Finalized invoices can't be updated", "invoice_not_editable")
        if not 0 < len(form.get("lines", [])) <= 250:
            return error(400, "Between 1 and 250 lines", "parameter_invalid")
        for line in form["lines"]:
            name = f"il_{invoice['id']}_{len(invoice['lines']['data']) + 1}"
            taxes = [_tax(each) for each in line.get("tax_amounts", [])]
            row = {**line, "id": name, "object": "line_item", "amount": int(line["amount"]), "taxes": taxes}
            invoice["lines"]["data"].append(row)
        self._sum_up(invoice)
        return 200, invoice

    def _sum_up(self, invoice: _Json) -> None:
        lines = invoice["lines"]["data"]
        net = sum(line["amount"] for line in lines)
        vat = sum(each["amount"] for line in lines for each in line["taxes"]) + self.off_by_ore
        invoice |= {"subtotal": net, "total_taxes": [{"amount": vat}], "total": net + vat, "amount_due": net + vat}
        invoice["amount_remaining"] = net + vat
        invoice["lines"]["total_count"] = len(lines)
        invoice["starting_balance"] = self.customers[invoice["customer"]]["balance"]

    def _finalize(self, invoice: _Json, form: _Json) -> Answer:
        if invoice["status"] != "draft":
            return error(400, "This invoice is already finalized", "invoice_not_editable")
        invoice["status"] = "open"
        self.happened("invoice.finalized", dict(invoice))
        return 200, invoice

    def _send(self, invoice: _Json, form: _Json) -> Answer:
        if invoice["status"] != "open":
            return error(400, "Only an open invoice is sent", "invoice_not_open")
        self.happened("invoice.sent", dict(invoice))
        return 200, invoice


def _tax(each: _Json) -> _Json:
    """A VAT amount set by hand: Stripe makes a tax rate of its data and names it on the line."""
    data = each["tax_rate_data"]
    rate = f"txr_{data['country']}_{data['percentage']}_{data['tax_type']}"
    return {
        "amount": int(each["amount"]),
        "taxable_amount": int(each["taxable_amount"]),
        "tax_behavior": "exclusive",
        "tax_rate_details": {"tax_rate": rate},
        "type": "tax_rate_details",
    }


def page(path: str, rows: list[_Json], query: Mapping[str, Any]) -> Answer:
    """Newest first, a page at a time."""
    rows = rows[::-1]
    ids = [row["id"] for row in rows]
    begin = ids.index(query["starting_after"]) + 1 if "starting_after" in query else 0
    end = begin + int(query.get("limit", "10"))
    return 200, {"object": "list", "url": path, "data": rows[begin:end], "has_more": end < len(rows)}


def error(status: int, message: str, code: str) -> Answer:
    """A request that did not pass: `invalid_request_error`."""
    return status, {"error": {"type": "invalid_request_error", "message": message, "code": code}}


def form_of(pairs: Mapping[str, list[str]]) -> _Json:
    """Stripe's form: `lines[0][metadata][position]=1` → `{"lines": [{"metadata": {"position": "1"}}]}`."""
    tree: _Json = {}
    for name, each in pairs.items():
        place, *deeper = name.replace("]", "").split("[")
        inner = tree
        for step in deeper:
            inner = inner.setdefault(place, {})
            place = step
        inner[place] = each[-1]
    return {name: _listed(value) for name, value in tree.items()}


def _listed(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    inner = {name: _listed(each) for name, each in value.items()}
    return list(inner.values()) if inner and all(name.isdigit() for name in inner) else inner
