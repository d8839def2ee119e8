"""What can go wrong, told apart by what a person does about it.

Every error of the project is one of four families, carries a stable `code` (a paragraph in docs/runbook.md each),
the `field` it concerns when there is one, and a `fix`: the way out, in a sentence an operator can act on.
"""

from typing import ClassVar


class HseCardError(Exception):
    """Root of all our errors.

    `code` is dotted and stable (`order.unknown_field`), `message` says what is wrong, `fix` what to do about it,
    `field` names the offending field as its author wrote it (`cards[3].birth_date`).
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, code: str, message: str, *, fix: str, field: str | None = None) -> None:
        super().__init__(code, message, fix, field)
        self.code = code
        self.message = message
        self.fix = fix
        self.field = field

    def __str__(self) -> str:
        where = f"{self.field}: " if self.field else ""
        return f"{where}{self.message} [{self.code}] → {self.fix}"

    def __reduce__(self) -> tuple[object, ...]:
        """Errors cross the process pool; keyword-only arguments need telling how to be rebuilt."""
        return _rebuild, (type(self), self.code, self.message, self.fix, self.field)


def _rebuild(family: type[HseCardError], code: str, message: str, fix: str, field: str | None) -> HseCardError:
    return family(code, message, fix=fix, field=field)


class Refused(HseCardError):
    """The data or the request is wrong: correct it and ask again."""

    exit_code = 3


class Unavailable(HseCardError):
    """Something we need does not answer or has no room: nothing was changed, try later."""

    exit_code = 4


class Spoiled(HseCardError):
    """A blank is gone: it is counted as spoiled and made good on another."""

    exit_code = 5


class Unsure(HseCardError):
    """Asked, and the answer was lost: it may or may not have happened. `reconcile` settles it, never a resend."""

    exit_code = 6
