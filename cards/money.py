"""Money is whole øre. No float ever holds an amount, and halves go up.

VAT is computed once per rate on the sum of net lines (bokføringsforskriften § 5-1-1; EN 16931 BR-CO-17), so that
the invoice, its XML and the ledger agree to the øre.
"""

from collections.abc import Sequence


def half_up(numerator: int, denominator: int) -> int:
    """numerator / denominator to the nearest whole, halves away from zero. `denominator` > 0."""
    sign = -1 if numerator < 0 else 1
    return sign * ((2 * abs(numerator) + denominator) // (2 * denominator))


def vat_ore(net_ore: int, rate_percent: int) -> int:
    """VAT in øre on a net sum in øre, at a whole-percent rate, half up."""
    return half_up(net_ore * rate_percent, 100)


def share_ore(total_ore: int, weights: Sequence[int]) -> list[int]:
    """Split `total_ore` in proportion to `weights` by largest remainder; the parts sum to the total exactly.

    Ties go to the earlier part, so the same split always comes out. Needs at least one positive weight.
    """
    whole = sum(weights)
    if whole <= 0 or min(weights) < 0:
        raise ValueError("weights must be non-negative with a positive sum")
    if len(weights) == 1:
        return [total_ore]
    parts = [total_ore * weight // whole for weight in weights]
    by_remainder = sorted(range(len(weights)), key=lambda i: (-(total_ore * weights[i] % whole), i))
    for i in by_remainder[: total_ore - sum(parts)]:
        parts[i] += 1
    return parts


def nok(amount_ore: int) -> str:
    """`45500` → `455.00`: as finance writes it, with a minus in front of what is owed."""
    sign = "-" if amount_ore < 0 else ""
    return f"{sign}{abs(amount_ore) // 100}.{abs(amount_ore) % 100:02d}"
