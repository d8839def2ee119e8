"""Our credit notes on invoices that lie at Stripe: looked up first, tried in a preview, and only then made.

A credit note there changes what its invoice owes and cannot be changed again, so Stripe is asked to say beforehand what
it would come to; any other figure than ours, and nothing is made.
"""

from functools import partial
from typing import Any

from billing.adapters.stripe_client import open_client, reading, sending, stripe_key, until_done
from billing.stripe_credit import Credit, LineThere, credit_note_parameters, refuse_other_credit

_Json = dict[str, Any]


class StripeCrediting:
    """Implements `billing.ports.Crediting`."""

    def __init__(self, api_key: str, base_url: str | None = None) -> None:
        self._client = open_client(api_key, base_url)

    def credit(self, key: str, credit: Credit) -> str:
        return until_done(key, partial(self._credit, key, credit))

    def credited(self, key: str, credit: Credit) -> str | None:
        with reading():
            return next((one["id"] for one in self._notes(credit.reference) if _is(one, key)), None)

    def _credit(self, key: str, credit: Credit, version: int) -> str:
        made = self.credited(key, credit)
        if made is not None:
            return made
        with reading():
            wanted: Any = credit_note_parameters(
                credit, key=key, remaining_ore=self._remaining(credit), lines=self._lines(credit)
            )
            seen = self._client.v1.credit_notes.preview(wanted).to_dict()
        refuse_other_credit(credit, wanted, _figures(seen))
        with sending(key):
            note = self._client.v1.credit_notes.create(wanted, {"idempotency_key": stripe_key(key, version)})
        return str(note.id)

    def _remaining(self, credit: Credit) -> int:
        return int(self._client.v1.invoices.retrieve(credit.reference).amount_remaining)

    def _notes(self, invoice: str) -> list[_Json]:
        every = self._client.v1.credit_notes.list({"invoice": invoice, "limit": 100}).auto_paging_iter()
        return [note for note in (one.to_dict() for one in every) if note["status"] != "void"]

    def _lines(self, credit: Credit) -> list[LineThere]:
        """The invoice's lines, less what earlier credit notes there took of them."""
        gone: dict[str, int] = {}
        for note in self._notes(credit.reference):
            for line in self._client.v1.credit_notes.line_items.list(note["id"], {"limit": 100}).auto_paging_iter():
                credited = line.to_dict()
                name = str(credited.get("invoice_line_item"))
                gone[name] = gone.get(name, 0) + int(credited["amount"])
        every = self._client.v1.invoices.line_items.list(credit.reference, {"limit": 100}).auto_paging_iter()
        return [_line(one.to_dict(), gone) for one in every]


def _is(note: _Json, key: str) -> bool:
    return bool((note.get("metadata") or {}).get("key") == key)


def _line(line: _Json, gone: dict[str, int]) -> LineThere:
    """Its tax rate is the one that Stripe made for the VAT amount we set."""
    return LineThere(
        line=line["id"],
        position=int(line["metadata"]["position"]),
        left_ore=line["amount"] - gone.get(line["id"], 0),
        tax_rate=line["taxes"][0]["tax_rate_details"]["tax_rate"],
    )


def _figures(preview: _Json) -> dict[str, object]:
    return {
        "currency": preview["currency"],
        "net_ore": preview["subtotal"],
        "vat_ore": sum(each["amount"] for each in preview["total_taxes"] or []),
        "gross_ore": preview["total"],
        "unpaid_ore": preview["pre_payment_amount"],
        "paid_ore": preview["post_payment_amount"],
    }
