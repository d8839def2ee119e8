"""What a free replacement costs us: booked once, when it is posted, on an account of its own. No document and no sale.

A replacement for a defective good is no sale (mval. § 1-3) and no withdrawal (§ 3-21): the record of why it was free,
`hsecard invoices free`, stands in the place of an invoice.
"""

from billing.ledger import entries_of_replacement
from billing.prices import card_cost
from cards.days import oslo_day
from cards.errors import Refused
from flows.house import House
from flows.stages.line import Chunk, Problem, Stage, Tally, chunks_of, tally


def _to_book(house: House) -> list[Chunk]:
    with house.store.read() as uow:
        return chunks_of([card.card_id for card in uow.free_cards.to_book()], house.settings.chunk)


def _book(house: House, chunk: Chunk) -> Tally:
    """All costs of a chunk in one transaction; a card whose cost of the day is unknown is told, the others go on."""
    outcomes, problems = [], []
    with house.store.begin() as uow:
        uow.cards.locked_many(chunk)
        for card in uow.free_cards.to_book(chunk):
            day = oslo_day(card.posted_at or house.clock.now())
            try:
                cost_ore = card_cost(card.kind, day).cost_ore
            except Refused as fault:
                problems.append(Problem.of(card.card_id, fault))
                continue
            uow.ledger.post(entries_of_replacement(card.card_id, kind=card.kind, cost_ore=cost_ore, booked_on=day))
            outcomes.append("cost_booked")
    return tally(outcomes, problems)


BOOK_COST = Stage("free", _to_book, _book)
