"""How a business is invoiced: set by a person, from a day on."""

from datetime import date

from billing.models import Collect, InvoiceTerms
from cards.errors import Refused
from cards.identifiers import org_number_is_valid
from flows.house import House


def set_terms(house: House, org_number: str, collect: Collect, *, valid_from: date, by: str) -> InvoiceTerms:
    """Let a business be invoiced so for what is delivered from a day on; it may be a business that never ordered yet.

    Raises Refused `terms.org_number`.
    """
    if not org_number_is_valid(org_number):
        raise Refused(
            "terms.org_number",
            f"{org_number!r} is no organisation number",
            field="org_number",
            fix="write the nine digits of the main unit, without spaces",
        )
    with house.store.begin() as uow:
        return uow.terms.set(org_number, collect, valid_from=valid_from, by=by)
