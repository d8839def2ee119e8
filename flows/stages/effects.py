"""How an effect is carried out: started, sent with its own key, settled in the transaction that uses its answer.

A crash between sending and settling leaves `sent`; a lost answer leaves `unsure`. Both are settled by looking the key
up at the other side. Only when the other side has never heard of the key is the effect planned again.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cards.effects import Effect, EffectState
from cards.errors import HseCardError, Refused, Unavailable, Unsure
from flows.house import House
from flows.stages.line import Problem, Tally, tally
from store.database import UnitOfWork

Answer = dict[str, Any]


@dataclass(frozen=True)
class Act:
    """How one kind of effect is done, looked up, and what follows when it is confirmed or refused.

    `apply` and `refuse` run in the transaction that settles the effect.
    """

    send: Callable[[House, Effect], Answer]
    look_up: Callable[[House, Effect], Answer | None]
    apply: Callable[[House, UnitOfWork, Effect, Answer], None]
    refuse: Callable[[House, UnitOfWork, Effect, HseCardError], None]


def carry_out(house: House, act: Act, key: str) -> Tally:
    """Send a planned effect once and settle it. Started by somebody else: nothing to do here."""
    with house.store.begin() as uow:
        started = uow.effects.start(key)
        effect = uow.effects.get(key)
    if not started:
        return tally([f"already_{effect.state.value}"])
    return _send(house, act, effect)


def _send(house: House, act: Act, effect: Effect) -> Tally:
    try:
        answer = act.send(house, effect)
    except Refused as fault:
        return _refuse(house, act, effect, fault)
    except Unavailable as fault:
        with house.store.begin() as uow:
            uow.effects.settle(effect.key, EffectState.PLANNED, None)
        return tally(["postponed"], [Problem.of(effect.subject, fault)])
    except Unsure as fault:
        with house.store.begin() as uow:
            uow.effects.settle(effect.key, EffectState.UNSURE, None)
        return settle_by_look_up(house, act, effect.key, fault)
    return _confirm(house, act, effect, answer)


def settle_by_look_up(house: House, act: Act, key: str, fault: HseCardError | None = None) -> Tally:
    """Settle a sent or unsure effect by asking the other side for its key; unheard-of there, it is sent again.

    When the other side cannot be asked now, the effect stays unsure and is reported.
    """
    with house.store.begin() as uow:
        uow.effects.settle(key, EffectState.UNSURE, None)
        effect = uow.effects.get(key)
    if effect.state is not EffectState.UNSURE:
        return tally([f"already_{effect.state.value}"])
    try:
        answer = act.look_up(house, effect)
    except (Unavailable, Unsure) as silence:
        return tally(["unsure"], [Problem.of(effect.subject, fault or silence)])
    if answer is not None:
        return _confirm(house, act, effect, answer)
    with house.store.begin() as uow:
        uow.effects.settle(key, EffectState.PLANNED, None)
    if effect.attempts > 1:  # lost twice in a row: leave it to the next reconcile, not to a hot loop
        return tally(["postponed"])
    return carry_out(house, act, key)


def _confirm(house: House, act: Act, effect: Effect, answer: Answer) -> Tally:
    with house.store.begin() as uow:
        if not uow.effects.settle(effect.key, EffectState.CONFIRMED, answer):
            return tally(["already_confirmed"])
        act.apply(house, uow, effect, answer)
    return tally(["confirmed"])


def _refuse(house: House, act: Act, effect: Effect, fault: Refused) -> Tally:
    with house.store.begin() as uow:
        if uow.effects.settle(effect.key, EffectState.REFUSED, {"code": fault.code, "message": fault.message}):
            act.refuse(house, uow, effect, fault)
    return tally(["refused"], [Problem.of(effect.subject, fault)])


def leave_to_a_person(house: House, uow: UnitOfWork, effect: Effect, fault: HseCardError) -> None:
    """Nothing follows by itself from a refusal: the effect shows in `hsecard status` until a person decides."""


def road_closed(road: str, field: str, value: str) -> Unavailable:
    """What was planned for a road waits until the setting that opened it is back."""
    return Unavailable(
        "delivery.road_closed",
        f"the document was to leave by {road}, which is not set up any more",
        field=field,
        fix=f"set {field}={value} until what is planned has left, then change it",
    )
