"""The invoice side of our own Stripe: customers, drafts, lines, finalizing, sending, events, and nothing forgiven.

Unknown parameters are errors, a number stands once, a finalized invoice does not change, and the customer's balance is
applied by itself when an invoice is finalized, as at Stripe.
"""

from collections.abc import Mapping
from typing import Any

_Json = dict[str, Any]
Answer = tuple[int, _Json]

_KNOWN = {
    "customers": {"name", "email", "metadata"},
    "invoices": {
        *("customer", "auto_advance", "collection_method", "currency", "due_date", "number"),
        *("pending_invoice_items_behavior", "metadata"),
    },
    "add_lines": {"lines"},
    "finalize": {"auto_advance"},
    "send": set[str](),
}


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
        verb = parts[2] if len(parts) == 3 else parts[0]
        if parts[0] not in ("customers", "invoices") or verb not in _KNOWN:
            return None
        unknown = sorted(set(form) - _KNOWN[verb])
        if unknown:
            return error(400, f"Received unknown parameter: {unknown[0]}", "parameter_unknown")
        if len(parts) == 1:
            return self._new_customer(form) if verb == "customers" else self._new_invoice(form)
        invoice = self.invoices.get(parts[1])
        if invoice is None:
            return error(404, f"No such invoice: {parts[1]}", "resource_missing")
        return {"add_lines": self._add_lines, "finalize": self._finalize, "send": self._send}[verb](invoice, form)

    def get(self, path: str, query: Mapping[str, str]) -> Answer | None:
        """One object, or a list, newest first."""
        parts = path.removeprefix("/v1/").split("/")
        kept = {"customers": self.customers, "invoices": self.invoices}.get(parts[0])
        if parts[0] == "events":
            return page(path, [one for one in self.events if query.get("type") in (None, one["type"])], query)
        if parts[0] == "balance_transactions":
            return page(path, self.movements, query)
        if kept is None:
            return None
        if len(parts) == 1:
            rows = [row for row in kept.values() if query.get("customer") in (None, row.get("customer"))]
            return page(path, rows, query)
        if parts[1] not in kept:
            return error(404, f"No such {parts[0][:-1]}: {parts[1]}", "resource_missing")
        return 200, kept[parts[1]]

    def moved(self, kind: str, source: _Json, amount_ore: int, currency: str = "nok") -> None:
        """Money on the balance."""
        row = {"id": f"txn_{len(self.movements) + 1}", "object": "balance_transaction", "type": kind}
        self.movements.append({**row, "source": source, "amount": amount_ore, "currency": currency})

    def happened(self, kind: str, content: _Json) -> _Json:
        """Keep an event; a webhook delivers it."""
        number = len(self.events) + 1
        event = {"id": f"evt_{number}", "object": "event", "created": number, "type": kind, "data": {"object": content}}
        self.events.append(event)
        return event

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
            amounts = [int(each["amount"]) for each in line.get("tax_amounts", [])]
            taxes = [{"amount": amount, "tax_behavior": "exclusive", "type": "tax_rate_details"} for amount in amounts]
            row = {**line, "id": name, "object": "line_item", "amount": int(line["amount"]), "taxes": taxes}
            invoice["lines"]["data"].append(row)
        self._sum_up(invoice)
        return 200, invoice

    def _sum_up(self, invoice: _Json) -> None:
        lines = invoice["lines"]["data"]
        net = sum(line["amount"] for line in lines)
        vat = sum(each["amount"] for line in lines for each in line["taxes"]) + self.off_by_ore
        invoice |= {"subtotal": net, "total_taxes": [{"amount": vat}], "total": net + vat, "amount_due": net + vat}
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


def page(path: str, rows: list[_Json], query: Mapping[str, str]) -> Answer:
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
