"""The chart of accounts: what each account is called and where it stands in the tax authority's own grouping.

Numbers follow NS 4102; grouping categories and codes are those of `naeringsspesifikasjon` in Skatteetaten's SAF-T code
lists (Grouping Category Code 2025-2026), which a SAF-T file of 1.30 names for every account. Finance approves the rows.
"""

import json
from functools import cache
from importlib.resources import files

from pydantic import BaseModel, ConfigDict

from cards.errors import Refused


class Account(BaseModel):
    """An account as finance and the tax authority know it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    number: str
    name: str
    grouping_category: str
    grouping_code: str


@cache
def account_named(number: str) -> Account:
    """The account `3000`, or a sub-account of it (`3000.cleaning`). Raises Refused `ledger.account_unknown`."""
    main, _, part = number.partition(".")
    for account in _chart():
        if account.number == main:
            name = f"{account.name}: {part}" if part else account.name
            return account.model_copy(update={"number": number, "name": name})
    raise Refused(
        "ledger.account_unknown",
        f"account {number} is in the ledger and not in the chart of accounts",
        field="account",
        fix="let finance add it, with its grouping, to billing/data/accounts.json",
    )


@cache
def _chart() -> tuple[Account, ...]:
    text = files("billing").joinpath("data", "accounts.json").read_text("utf-8")
    return tuple(Account.model_validate(row) for row in json.loads(text))
