"""What a database says when it will not, in the words of the house.

Only the database's own first line goes on: its details quote the row, and rows hold personal data.
"""

from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError

from cards.errors import HseCardError, Refused, Unavailable

_AGAIN = "wait until the other work is done and run the same command again; nothing was changed"


def translated(fault: SQLAlchemyError) -> HseCardError:
    """The family and code of a database error."""
    says = _says(fault)
    if isinstance(fault, IntegrityError):
        return Refused(
            "store.rule_broken",
            f"the database keeps a rule that this would break: {says}",
            fix="this is a fault of the program or a change by hand: run `hsecard audit` and report both",
        )
    return _by_words(says)


def _by_words(says: str) -> HseCardError:
    words = says.lower()
    if "readonly" in words or "read-only" in words:
        return Unavailable(
            "store.read_only",
            f"the database cannot be written: {says}",
            fix="let this user write the database file and its folder (HSECARD_HOME), and run again",
        )
    if "is full" in words or "no space left" in words:
        return Unavailable(
            "store.no_room",
            f"the database has no room: {says}",
            fix="make room on the disk of the database and run again; nothing was changed",
        )
    if "locked" in words or "deadlock" in words or "could not serialize" in words or "lock timeout" in words:
        return Unavailable("store.busy", f"others hold what is needed: {says}", fix=_AGAIN)
    if "permission denied" in words or "must be owner" in words:
        return Refused(
            "store.not_allowed",
            f"this database user may not do that: {says}",
            field="HSECARD_DATABASE_URL",
            fix="let the owner of the tables run `hsecard database grants` after each migration, and run again",
        )
    return Unavailable(
        "store.unavailable",
        f"the database does not answer as it should: {says}",
        fix="check HSECARD_DATABASE_URL (or HSECARD_HOME) and that the database runs; see `hsecard doctor`",
    )


def _says(fault: SQLAlchemyError) -> str:
    if not isinstance(fault, DBAPIError) or fault.orig is None:
        return type(fault).__name__
    diagnosis = getattr(fault.orig, "diag", None)
    primary = getattr(diagnosis, "message_primary", None)
    lines = str(primary or fault.orig).strip().splitlines()
    return lines[0] if lines else type(fault.orig).__name__
