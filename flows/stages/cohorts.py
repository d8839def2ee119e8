"""How cohorts of chips fare in the field: the share of posted cards that was reported, with the interval it allows.

Whole numbers throughout, in parts per million, so that two machines never disagree on a mark. The share is of cards
ever posted (one in the bureau cannot fail at a gate), and recalled cards that nobody saw fail do not count as failed.
"""

from math import isqrt

from pydantic import BaseModel, ConfigDict

from flows.house import House
from store.cohorts import CohortBy, CohortCount

PPM = 1_000_000
_Z_PPM = 1_959_964  # the 97.5 % quantile of the normal distribution, for an interval of 95 %


class CohortRate(BaseModel):
    """A cohort with its share of reported cards and the 95 % interval of it, in parts per million.

    `rate_ppm` is None where no card was posted. `stands_out`: even the lower bound lies above the house's own rate.
    `unreported`: posted cards of it that nobody reported or recalled.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    encoded: int
    in_field: int
    reported: int
    recalled: int
    rate_ppm: int | None
    low_ppm: int
    high_ppm: int
    stands_out: bool
    unreported: int


class CohortView(BaseModel):
    """All cohorts by one mark, and the house as a whole, against which they are held."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    by: CohortBy
    house: CohortRate
    cohorts: tuple[CohortRate, ...]


def cohort_view(house: House, by: CohortBy) -> CohortView:
    """Every cohort by one mark, in the order of its name."""
    with house.store.read() as uow:
        counts = uow.cohorts.counts(by)
    names = ("encoded", "in_field", "reported", "recalled")
    sums = {name: sum(getattr(count, name) for count in counts) for name in names}
    whole = CohortCount(name="all", **sums)
    return CohortView(by=by, house=_rate(whole, whole), cohorts=tuple(_rate(count, whole) for count in counts))


def _rate(count: CohortCount, whole: CohortCount) -> CohortRate:
    low, high = wilson_ppm(count.reported, count.in_field)
    return CohortRate(
        **count.model_dump(),
        rate_ppm=PPM * count.reported // count.in_field if count.in_field else None,
        low_ppm=low,
        high_ppm=high,
        stands_out=low * whole.in_field > PPM * whole.reported,
        unreported=count.in_field - count.reported - count.recalled,
    )


def wilson_ppm(hits: int, of: int) -> tuple[int, int]:
    """The Wilson score interval of `hits` among `of` at 95 %, in parts per million, rounded outwards.

    (hits + z²/2 ± z·√(hits·(of − hits)/of + z²/4)) / (of + z²), after E. B. Wilson, "Probable inference, the law of
    succession, and statistical inference", Journal of the American Statistical Association 22 (1927) 209–212. Both
    sides are multiplied by 2·10¹², so that z is whole and one integer root remains. Nothing seen: 0 to a million.
    """
    if not 0 <= hits <= of:
        raise ValueError(f"{hits} hits among {of}")
    if of == 0:
        return 0, PPM
    z2 = _Z_PPM * _Z_PPM
    scale = PPM * PPM
    inside = -(-4 * scale * z2 * hits * (of - hits) // of) + z2 * z2
    root = isqrt(inside - 1) + 1
    centre, whole = 2 * hits * scale + z2, 2 * (of * scale + z2)
    low, high = PPM * (centre - root) // whole, -(-PPM * (centre + root) // whole)
    return max(0, low), min(PPM, high)
