"""Numbers of documents: nobody sets one, not even by SQL, and none is given before the last one has its document.

That they stay whole when writers are killed is proved with the house's own stages, in tests/flows.
"""

import pytest

from cards.errors import Refused
from store.database import Store
from tests.store.small_world import accept, an_invoice

_GIVEN = r"a number is given by its counter"


@pytest.fixture
def ordered(store: Store) -> Store:
    """A house with the order that the invoices of these tests are for."""
    with store.begin() as uow:
        accept(uow, "B-1", cards=1)
    return store


@pytest.mark.parametrize(
    "act",
    [
        "UPDATE number_series SET last = last - 1 WHERE name = 'invoice'",
        "UPDATE number_series SET last = last + 2 WHERE name = 'invoice'",
        "UPDATE number_series SET last = last WHERE name = 'invoice'",
        "UPDATE number_series SET name = 'other' WHERE name = 'invoice'",
        "UPDATE number_series SET last = last - 1 WHERE name = 'letter'",
        "DELETE FROM number_series",
        "INSERT INTO number_series (name, last) VALUES ('credit_note', 5)",
    ],
)
def test_no_hand_moves_a_counter(ordered: Store, act: str) -> None:
    with ordered.begin() as uow:
        uow.invoices.add(an_invoice(uow.series.next("invoice"), [], []))
        uow.series.next("letter", 3)
    with pytest.raises(Refused, match=_GIVEN), ordered.begin() as uow:
        uow.connection.exec_driver_sql(act)


@pytest.mark.parametrize("number", [0, 1, 3, 17])
def test_no_document_takes_a_number_of_its_own(ordered: Store, number: int) -> None:
    with ordered.begin() as uow:
        uow.invoices.add(an_invoice(uow.series.next("invoice"), [], []))
        uow.invoices.add(an_invoice(uow.series.next("invoice"), [], []))
    with pytest.raises(Refused, match=_GIVEN), ordered.begin() as uow:
        uow.invoices.add(an_invoice(number, [], []))


def test_a_number_without_its_document_stops_the_series(ordered: Store) -> None:
    with ordered.begin() as uow:
        assert uow.series.next("invoice") == 1
    with pytest.raises(Refused, match=_GIVEN), ordered.begin() as uow:
        uow.series.next("invoice")
    with ordered.begin() as uow:
        uow.invoices.add(an_invoice(1, [], []))
        uow.invoices.add(an_invoice(uow.series.next("invoice"), [], []))
