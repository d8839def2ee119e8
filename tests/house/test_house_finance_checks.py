"""Finance holds this house to sixteen checks; each has tests that bear its number, so that none can go unnoticed."""

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
CHECKS = {
    1: "money is whole øre, and no float comes near it",
    2: "lines, VAT and gross add up, and every paper of an invoice says the same",
    3: "credits never go above the invoice, and end at exactly nothing",
    4: "no more is refunded than was paid, and one case is one refund",
    5: "every posting balances, and the ledger is the sum of its documents",
    6: "numbers are whole, and nobody sets one",
    7: "every document passes all rules for e-invoices",
    8: "Stripe is asked for nothing that its version does not know, and told of no holder",
    9: "webhooks come to the same end in any order",
    10: "postage errors are found, approved, and given back once",
    11: "a card with a faulty chip is replaced free of charge, with a record",
    12: "four eyes, by every door",
    13: "each planted difference is named, and none invented",
    14: "exports are valid and have the ledger's totals",
    15: "a KID catches typing errors and keeps its zeros",
    16: "the vectors of the facts, to the øre",
}


@pytest.fixture(scope="module")
def numbered() -> set[int]:
    found: set[int] = set()
    for path in TESTS.rglob("test_*.py"):
        found |= {
            int(number) for number in re.findall(r"^def test_check_(\d+)_", path.read_text("utf-8"), re.MULTILINE)
        }
    return found


@pytest.mark.parametrize(("check", "says"), CHECKS.items())
def test_every_check_of_finance_has_a_test(check: int, says: str, numbered: set[int]) -> None:
    assert check in numbered, says


def test_no_test_bears_the_number_of_no_check(numbered: set[int]) -> None:
    assert numbered == set(CHECKS)
