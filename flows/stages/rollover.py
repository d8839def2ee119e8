"""A finished card's chip goes over to the key generation that the settings name, bound and journaled like its making.

Whose chip it is says the binding that was stored before it was first written: a chip that this house never wrote is not
touched. The encoder of its making stays on record, since that is what a faulty series is looked for by.
"""

from cards.errors import Refused, Unavailable
from chip.models import ChipOutcome, ChipVerdict
from chip.ports import Encoder
from chip.rollover import roll_over_at
from flows.house import House


def roll_over_chip(house: House, encoder: Encoder, *, tray: str, position: int) -> ChipOutcome:
    """Presents the chip at that place until it has the new keys throughout, or is judged.

    Raises Refused `chip.unbound`, `chip.not_rolled_over`; Unavailable `chip.wait`, `chip.key_service` and what the
    encoder raises. Run again, it goes on where it stopped.
    """

    def bind(uid: str, generation: int) -> None:
        with house.store.begin() as uow:
            binding = uow.chips.binding(uid)
            if binding is None:
                raise Refused(
                    "chip.unbound",
                    f"chip {uid} belongs to no card of this house",
                    fix="put it aside and find out where it comes from",
                )
            uow.chips.bind(uid, binding.card_id, generation, binding.encoder)

    outcome = roll_over_at(
        encoder,
        tray=tray,
        position=position,
        keys=house.keys,
        entropy=house.entropy,
        profile=house.profile,
        bind=bind,
    )[-1]
    _refuse_unfinished(outcome)
    _record(house, outcome)
    return outcome


def _refuse_unfinished(outcome: ChipOutcome) -> None:
    where = f"{outcome.step}: {outcome.cause}"
    match outcome.verdict:
        case ChipVerdict.DONE:
            return
        case ChipVerdict.WAIT:
            raise Unavailable(
                "chip.wait", f"the chip asks for a pause before it authenticates again ({where})", fix="try again later"
            )
        case ChipVerdict.KEY_SERVICE:
            raise Unavailable(
                "chip.key_service", f"the key service does not answer ({where})", fix="see what `hsecard doctor` says"
            )
        case _:
            raise Refused(
                "chip.not_rolled_over",
                f"the chip did not go over to the next keys: {outcome.verdict.value} at {where}",
                fix="a generation is never skipped and no key is guessed; a faulty chip is reported and replaced",
            )


def _record(house: House, outcome: ChipOutcome) -> None:
    assert outcome.uid is not None  # noqa: S101 -- a done chip has told its UID
    details = {"uid": outcome.uid, "key_generation": outcome.key_generation}
    with house.store.begin() as uow:
        binding = uow.chips.binding(outcome.uid)
        assert binding is not None  # noqa: S101 -- it was bound before its first write
        uow.chips.settle(outcome.uid, outcome)
        uow.cards.note(binding.card_id, actor=house.actor, what="keys_rolled_over", details=details)
