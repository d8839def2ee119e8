"""`python -m benchmarks.photos PICTURE…`: a hundred variants of each good portrait, judged, and the mistakes.

The portraits are named by whoever runs it (a sample photograph by default), since most free ones may not be kept here.
"""

import argparse
import math
from collections import Counter, defaultdict
from pathlib import Path

from benchmarks.inbox import photographs
from benchmarks.photo_variants import ACCEPT, EITHER, REJECT, Variant, variants
from printing.models import PhotoVerdict
from printing.portrait import check


def fault_of(variant: Variant, verdict: PhotoVerdict) -> str | None:
    """What is wrong with a verdict; None when it is as it must be."""
    reasons = {found.reason.value for found in verdict.findings}
    if not verdict.accepted and variant.expected != ACCEPT:
        return None if reasons & variant.reasons else "wrong reason"
    if not verdict.accepted:
        return "good one refused"
    if variant.expected == REJECT:
        return "bad one accepted"
    return None if _eyes_right(variant, verdict) else "eyes elsewhere"


def _eyes_right(variant: Variant, verdict: PhotoVerdict) -> bool:
    if variant.eyes is None or verdict.eyes is None:
        return variant.eyes is None
    apart = math.dist(*variant.eyes)
    return all(math.dist(*pair) < 0.15 * apart for pair in zip(verdict.eyes, variant.eyes, strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pictures", nargs="*", type=Path)
    parser.add_argument("--save", type=Path, help="keep the wrongly judged files here")
    given = parser.parse_args()
    tally: Counter[tuple[str, str]] = Counter()
    faults: defaultdict[str, list[str]] = defaultdict(list)
    for path in given.pictures or photographs()[1:2]:
        for variant in variants(path.read_bytes()):
            verdict = check(variant.data)
            fault = fault_of(variant, verdict)
            tally[variant.expected, "accepted" if verdict.accepted else "refused"] += 1
            if fault is None:
                continue
            said = ", ".join(f"{found.reason.value} {found.measured}" for found in verdict.findings)
            faults[f"{fault}: {variant.name}"].append(f"{path.stem} ({said})")
            if given.save:
                (given.save / f"{path.stem}--{variant.name}").write_bytes(variant.data)
    for title, where in sorted(faults.items()):
        print(f"{title:44} {len(where)}: {'; '.join(where)}")
    for expected in (ACCEPT, REJECT, EITHER):
        print(f"{expected:8} {tally[expected, 'accepted']:5} accepted {tally[expected, 'refused']:5} refused")


if __name__ == "__main__":
    main()
