"""When two logins are one person: the rule behind every pair of eyes in finance."""

import unicodedata


def person(name: str) -> str:
    """A login as it is compared: case, spacing, composed letters and unseen signs do not make a second person."""
    seen = "".join(sign for sign in unicodedata.normalize("NFKC", name) if unicodedata.category(sign) != "Cf")
    return " ".join(seen.casefold().split())
