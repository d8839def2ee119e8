"""How each business is invoiced, by day. A row is never changed: a later one for the same day takes its place."""

from datetime import date

from sqlalchemy import func, insert, select

from billing.models import Collect, InvoiceTerms
from store.terms_tables import invoice_terms
from store.transaction import Transaction

_TERMS = tuple(column for column in invoice_terms.c if column.name != "position")


class Terms:
    """Terms of invoicing."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    def set(self, org_number: str, collect: Collect, *, valid_from: date, by: str) -> InvoiceTerms:
        """Let a business be invoiced so for what is delivered from `valid_from` on."""
        last = select(func.max(invoice_terms.c.position)).where(invoice_terms.c.org_number == org_number)
        position = (self._tx.connection.scalar(last) or 0) + 1
        terms = InvoiceTerms(
            org_number=org_number, collect=collect, valid_from=valid_from, set_by=by, set_at=self._tx.now()
        )
        self._tx.connection.execute(insert(invoice_terms), {**terms.model_dump(), "position": position})
        return terms

    def of(self, org_number: str) -> list[InvoiceTerms]:
        """Every row of a business, in the order in which they were set."""
        query = select(*_TERMS).where(invoice_terms.c.org_number == org_number).order_by(invoice_terms.c.position)
        return [InvoiceTerms.model_validate(dict(row)) for row in self._tx.connection.execute(query).mappings()]

    def all(self) -> dict[str, list[InvoiceTerms]]:
        """The same for every business that has any."""
        found: dict[str, list[InvoiceTerms]] = {}
        query = select(*_TERMS).order_by(invoice_terms.c.org_number, invoice_terms.c.position)
        for row in self._tx.connection.execute(query).mappings():
            found.setdefault(row["org_number"], []).append(InvoiceTerms.model_validate(dict(row)))
        return found
