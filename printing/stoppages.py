"""Why a printer stands still, in the words of IPP (RFC 8011 §5.4.12), and what a person at the printer does about it.

Printers disagree about severity: a jam comes as `media-jam-error`, `-warning` or bare. What a reason means is decided
by its stem; a supply that is only low stops nothing.
"""

from collections.abc import Iterable

from cards.errors import Unavailable

_SEVERITIES = ("-error", "-warning", "-report")
_WAY_ON = "the job goes on by itself; run `hsecard produce` to follow it"

# Stem → code, what it is, what to do.
_STOPS: dict[str, tuple[str, str, str]] = {
    "media-jam": ("print.jam", "a card is jammed", f"take the jammed card out and close the printer; {_WAY_ON}"),
    "marker-supply-empty": ("print.ribbon_empty", "the ribbon is empty", f"put in a new ribbon; {_WAY_ON}"),
    "toner-empty": ("print.ribbon_empty", "the toner is empty", f"put in new toner; {_WAY_ON}"),
    "media-empty": ("print.out_of_blanks", "the feeder is empty", f"fill the feeder from the tray; {_WAY_ON}"),
    "media-needed": ("print.out_of_blanks", "the feeder is empty", f"fill the feeder from the tray; {_WAY_ON}"),
    "cover-open": ("print.cover_open", "the cover is open", f"close the cover; {_WAY_ON}"),
    "door-open": ("print.cover_open", "a door is open", f"close the door; {_WAY_ON}"),
    "interlock-open": ("print.cover_open", "a guard is open", f"close the guard; {_WAY_ON}"),
    "offline": ("print.printer_offline", "the printer is offline", f"switch it on or online; {_WAY_ON}"),
    "shutdown": ("print.printer_offline", "the printer is shut down", f"switch it on; {_WAY_ON}"),
    "connecting-to-device": ("print.printer_offline", "the engine does not answer", f"check its cable; {_WAY_ON}"),
}
_OTHER_STOPS = {
    "paused",
    "moving-to-paused",
    "stopped",
    "stopped-partly",
    "timed-out",
    "output-area-full",
    "spool-area-full",
    "input-tray-missing",
    "output-tray-missing",
    "marker-waste-full",
    "job-held",
}


def stems(reasons: Iterable[str]) -> tuple[str, ...]:
    """Reasons without their severity; `none` and warnings of what is only low stay away or harmless."""
    found = []
    for reason in reasons:
        stem = reason
        for severity in _SEVERITIES:
            stem = stem.removesuffix(severity)
        if stem != "none":
            found.append(stem)
    return tuple(found)


def stopping(reasons: Iterable[str]) -> tuple[str, ...]:
    """The stems among `reasons` that keep a printer from printing: the known ones, and every other `-error`."""
    every = list(reasons)
    return tuple(
        stem
        for reason in every
        for stem in stems([reason])
        if stem in _STOPS or stem in _OTHER_STOPS or reason.endswith("-error")
    )


def stoppage(reasons: Iterable[str]) -> Unavailable:
    """The error for a printer that stands still: the reason that a person can act on goes first."""
    every = tuple(reasons)
    for stem in every:
        if stem in _STOPS:
            code, message, fix = _STOPS[stem]
            return Unavailable(code, f"the printer stands still: {message}", fix=fix)
    words = ", ".join(every) or "no reason given"
    return Unavailable(
        "print.printer_stopped",
        f"the printer is stopped: {words}",
        fix="clear the cause at the printer and start the run again",
    )
