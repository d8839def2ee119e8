"""The whole small day as the house's own user of PostgreSQL, who owns nothing: its rights are enough, and no more."""

from pathlib import Path

from sqlalchemy.engine import make_url

from cards.life import CardState
from flows.house import open_house
from flows.settings import Settings
from flows.stages.by_hand import receive_blanks
from flows.stages.day import run_day
from store.audit import violations
from store.grants import grant_rights, owns_the_tables
from tests.servers import Postgres
from tests.store.small_world import NOON

ORDERS = ("B-2026-000401", "B-2026-000407")


def test_check_6_the_day_from_intake_to_invoice_runs_with_the_rights_given(
    postgres: Postgres, tmp_path: Path, inbox: Path
) -> None:
    owned = postgres.new_database()
    postgres.execute("CREATE ROLE hsecard_day LOGIN")
    grant_rights(owned, "hsecard_day")
    settings = Settings(
        home=tmp_path,
        environment="test",
        engine="inline",
        clock=NOON,
        database_url=make_url(owned).set(username="hsecard_day").render_as_string(),
        virtual_faults={"P-000001#1": "aborted"},
    )
    with open_house(actor="test", settings=settings) as house:
        assert not owns_the_tables(house.store)
        receive_blanks(house, lot="L-1", count=20)
        done = run_day(house, str(inbox))
        with house.store.read() as uow:
            assert len(uow.invoices.all()) == len(ORDERS)
            assert uow.documents.get("ehf/invoice/1") is not None
            assert {card.state for number in ORDERS for card in uow.cards.of_order(number)} >= {CardState.POSTED}
        assert violations(house.store, house.blobs) == []
    assert [one.code for tally in done.values() for one in tally.problems if one.code.startswith("store.")] == []
    postgres.drop(owned)
    postgres.execute("DROP ROLE hsecard_day")
