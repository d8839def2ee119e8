"""Invoices over several orders: each line by its own delivery, one sum of VAT a rate; old invoices as they were."""

import hashlib
import json
from datetime import date
from pathlib import Path

from billing.documents import invoice_pdf
from billing.ehf import invoice_xml
from billing.models import Invoice

OF_ONE_ORDER = json.loads(Path(__file__).with_name("invoice_of_one_order.json").read_text("utf-8"))


def test_an_invoice_kept_before_there_were_collected_ones_is_drawn_with_the_same_bytes() -> None:
    invoice = Invoice.model_validate(OF_ONE_ORDER["content"])
    assert (invoice.order_numbers, invoice.delivered_from) == (("B-2020-000417",), date(2020, 11, 20))
    pdf = invoice_pdf(invoice)
    assert hashlib.sha256(pdf).hexdigest() == OF_ONE_ORDER["pdf_sha256"]
    assert hashlib.sha256(invoice_xml(invoice, pdf=pdf)).hexdigest() == OF_ONE_ORDER["ehf_sha256"]
    assert Invoice.model_validate(invoice.model_dump(mode="json")) == invoice
