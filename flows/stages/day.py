"""The bureau's day, in order: settle what is open, take orders in, make, encode, make good, ship, invoice, refund.

Make-good rounds repeat production and encoding until no spoiled card waits (bounded: a stock of bad chips must not
turn the day into a loop).
"""

from flows.house import House
from flows.stages.encode import ENCODE
from flows.stages.intake import import_orders
from flows.stages.invoice import INVOICE
from flows.stages.line import Stage, Tally, run_line
from flows.stages.produce import PRODUCE
from flows.stages.reconcile import RECONCILE
from flows.stages.refund_postage import REFUND_POSTAGE
from flows.stages.reissue import REISSUE
from flows.stages.retain import RETAIN
from flows.stages.ship import SHIP

MAKE_GOOD_ROUNDS = 3

DAY: tuple[tuple[str, tuple[Stage, ...]], ...] = (
    ("reconcile", RECONCILE),
    ("reissue", REISSUE),
    *(step for _ in range(1 + MAKE_GOOD_ROUNDS) for step in (("produce", PRODUCE), ("encode", ENCODE))),
    ("ship", SHIP),
    ("invoice", INVOICE),
    ("refund_postage", REFUND_POSTAGE),
    ("retain", RETAIN),
)


def run_day(house: House, inbox: str | None = None) -> dict[str, Tally]:
    """The whole day without Prefect; the same stages that the `day` flow runs. Tallies by line."""
    tallies: dict[str, Tally] = {}
    if inbox is not None:
        tallies["intake"] = import_orders(house, inbox)
    for name, line in DAY:
        tallies[name] = tallies.get(name, Tally()) + run_line(house, line)
    return tallies
