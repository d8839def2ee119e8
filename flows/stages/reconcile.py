"""What is sent without an answer, settled by asking the other side; nothing is sent again on hope. And what moved at
Stripe since the last time, fetched.

An effect counts as lost when it is `unsure`, or `sent` for longer than the lease: whoever sent it is gone. The carrier
is asked about letters under way too, and the orderers about those that came back.
"""

from datetime import timedelta

from cards.effects import EffectKind, EffectState
from flows.house import House
from flows.stages.delivery import ROADS
from flows.stages.effects import Act, settle_by_look_up
from flows.stages.line import Chunk, Stage, Tally, chunks_of
from flows.stages.payments import FETCHING
from flows.stages.press import PRINTING
from flows.stages.refund_postage import REFUNDING
from flows.stages.reissue import RINGING
from flows.stages.return_mail import ASK, ASKING
from flows.stages.ship import BOOKING, HAND_OVER
from flows.stages.stripe_credits import CREDITING
from flows.stages.tracking import TRACK

# Encoding is not here: a chip is looked up by presenting it again, which is what the encode stage does anyway.
ACTS: dict[EffectKind, Act] = {
    EffectKind.PRINT: PRINTING,
    EffectKind.BOOK: BOOKING,
    EffectKind.MANIFEST: HAND_OVER,
    EffectKind.REFUND: REFUNDING,
    EffectKind.STRIPE_CREDIT: CREDITING,
    EffectKind.FAULT_EVENT: RINGING,
    EffectKind.RETURN_MAIL: ASKING,
    **ROADS,
}


def _lost(house: House) -> list[Chunk]:
    before = house.clock.now() - timedelta(seconds=house.settings.lease_s)
    with house.store.read() as uow:
        effects = [*uow.effects.in_state(EffectState.UNSURE), *uow.effects.sent_before(before)]
    return chunks_of([effect.key for effect in effects if effect.kind in ACTS], 50)


def _settle(house: House, chunk: Chunk) -> Tally:
    total = Tally()
    for key in chunk:
        with house.store.read() as uow:
            kind = uow.effects.get(key).kind
        total += settle_by_look_up(house, ACTS[kind], key)
    return total


RECONCILE = (Stage("reconcile", _lost, _settle), FETCHING, TRACK, ASK)
