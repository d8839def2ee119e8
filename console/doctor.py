"""Whether this house can work: its settings with secrets redacted, the state of every port, schema and versions."""
# ruff: noqa: PLC0415 -- the rooms are imported by the command that needs them: help must be quick

import platform
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cards.errors import HseCardError
from console.answer import answer
from console.options import HOUSE, AsJson, DryRun
from console.show import facts, line, table

if TYPE_CHECKING:
    from flows.house import House
    from flows.settings import Settings
    from flows.stages.line import Problem

_PACKAGES = ("hsecard", "prefect", "pydantic", "sqlalchemy", "pillow", "opencv-python-headless", "reportlab", "stripe")
_PROBE = "doctor:probe"
Probe = tuple[str, str, Callable[[], object]]


def register(app: typer.Typer) -> None:
    """Put it on the root command."""
    app.command(rich_help_panel=HOUSE)(doctor)


def doctor(
    migrate: Annotated[bool, typer.Option("--migrate", help="First bring the database to this version.")] = False,
    as_json: AsJson = False,
    dry_run: DryRun = False,
) -> int:
    """Show settings, versions and the state of every port.

    Exits with the family of the gravest trouble found.
    """
    from flows.settings import read_settings

    settings = read_settings()
    if migrate and not dry_run:
        _migrate(settings)
    ports, problems = _examine(settings)
    versions = _versions()
    roles, without_roles = _refund_roles(settings, ports)
    problems += without_roles
    document = {
        "settings": _settings(settings),
        "versions": versions,
        "ports": ports,
        "refund_roles": roles,
        "migrated": migrate,
    }
    rows = [(name, port["adapter"], port["state"]) for name, port in ports.items()]
    shown = [
        facts("Settings", {f"HSECARD_{name.upper()}": value for name, value in _settings(settings).items()}),
        facts("Versions", versions),
        table("Ports", ("port", "adapter", "state"), rows),
        line(f"Refunds: {roles}"),
        *([line("would migrate the database; nothing was changed")] if migrate and dry_run else []),
    ]
    return answer(document, shown, as_json=as_json, problems=problems)


def _migrate(settings: "Settings") -> None:
    from store.database import migrate

    if settings.database_url is None and not settings.home.is_dir():
        return  # a new house is made, whole, when it is opened
    migrate(settings.database)


def _settings(settings: "Settings") -> dict[str, Any]:
    """Every setting as text; secrets and the passwords of addresses redacted."""
    plain = settings.model_dump(mode="json")
    plain["secret"] = "(built in, for demos)" if "secret" not in settings.model_fields_set else "(set)"
    for name in ("database_url", "blobs_url"):
        plain[name] = _redacted(plain[name])
    plain["seller"] = f"{settings.seller.name} ({settings.seller.org_number})"
    return plain


def _redacted(url: str | None) -> str | None:
    """`postgresql://me:pass@host/db` → `postgresql://me:***@host/db`."""
    if url is None or "@" not in url:
        return url
    scheme, _, rest = url.partition("://")
    login, _, place = rest.rpartition("@")
    return f"{scheme}://{login.partition(':')[0]}:***@{place}"


def _versions() -> dict[str, str]:
    from store.database import SCHEMA

    found = {"python": platform.python_version(), "database schema": SCHEMA}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def _examine(settings: "Settings") -> tuple[dict[str, dict[str, str]], "list[Problem]"]:
    """Open the house and ask every port something that changes nothing."""
    from flows.house import open_house

    try:
        with open_house(actor="doctor", settings=settings) as house:
            ports, problems = _ask_all(_probes(house))
            _look_at_owner(house, ports)
            return ports, [*problems, *_jobs_in_doubt(house, ports), *_short_of_numbers(house, ports)]
    except HseCardError as fault:
        return {"house": {"adapter": "–", "state": fault.code}}, [_problem("house", fault)]


def _look_at_owner(house: "House", ports: dict[str, dict[str, str]]) -> None:
    """A database user that could take the guards away is said beside the database; production refuses it."""
    from store.grants import owns_the_tables

    if ports["database"]["state"] == "ok" and owns_the_tables(house.store):
        ports["database"]["state"] = "ok, but this user owns the tables"


def _jobs_in_doubt(house: "House", ports: dict[str, dict[str, str]]) -> "list[Problem]":
    """Print jobs that wait for somebody; said beside the printer."""
    from flows.stages.press import in_doubt

    if not ports["database"]["state"].startswith("ok"):
        return []
    problems = in_doubt(house)
    if problems:
        ports["printer"]["state"] += f", {len(problems)} of its jobs in doubt"
    return problems


def _short_of_numbers(house: "House", ports: dict[str, dict[str, str]]) -> "list[Problem]":
    """Labels need numbers of the carrier's, and few are left; said beside the carrier."""
    from flows.stages.numbers import shortage

    if ports["database"]["state"] != "ok":
        return []
    problems = shortage(house)
    if problems:
        ports["carrier"]["state"] += ", few numbers left"
    return problems


def _refund_roles(settings: "Settings", ports: dict[str, dict[str, str]]) -> tuple[str, "list[Problem]"]:
    """Who may approve refunds, in a sentence; in production it is a problem when finance has not said."""
    from billing.refund_roles import in_force
    from flows.house import open_house
    from flows.stages.refund_roles import refuse_without_roles

    if ports.get("database", {}).get("state") != "ok":
        return "unknown while the database does not answer", []
    with open_house(actor="doctor", settings=settings) as house:
        with house.store.read() as uow:
            roles = uow.refund_roles.all()
        try:
            refuse_without_roles(house, roles)
        except HseCardError as fault:
            return "nobody may approve them", [_problem("refunds", fault)]
    held = len(in_force(roles))
    return f"{held} roles hold" if held else "no roles are set: whoever did not propose may approve", []


def _problem(subject: str, fault: HseCardError) -> "Problem":
    from flows.stages.line import Problem

    return Problem.of(subject, fault)


def _probes(house: "House") -> list[Probe]:
    """Port, adapter, and a question whose answer does not matter."""
    ports: list[tuple[str, object, Callable[[], object]]] = [
        ("database", house.store, lambda: _ask_database(house)),
        ("blobs", house.blobs, lambda: house.blobs.exists("probe/" + "0" * 64 + ".bin")),
        ("engine", house.engine, lambda: house.engine.map(len, ["probe"])),
        ("printer", house.printer, lambda: _ask_printer(house)),
        ("encoder", house.encoder, house.encoder.look),
        *((f"encoder {encoder.name}", encoder, encoder.look) for encoder in house.encoders[1:]),
        ("keys", house.keys, lambda: house.keys.check_value("read", house.profile.key_generation)),
        ("carrier", house.carrier, lambda: house.carrier.track("0")),
        ("payments", house.payments, lambda: house.payments.look_up(_PROBE)),
        ("mail", house.mail, lambda: house.mail.look_up(_PROBE)),
        ("doorbell", house.doorbell, lambda: None),
    ]
    return [(name, type(port).__name__, ask) for name, port, ask in ports]


def _ask_printer(house: "House") -> None:
    from printing.stoppages import stoppage

    status = house.printer.status()
    if not status.ready:
        raise stoppage(status.reasons)


def _ask_database(house: "House") -> int:
    with house.store.read() as uow:
        return uow.orders.count()


def _ask_all(probes: list[Probe]) -> tuple[dict[str, dict[str, str]], "list[Problem]"]:
    ports: dict[str, dict[str, str]] = {}
    problems: list[Problem] = []
    for name, adapter, ask in probes:
        state = "ok"
        try:
            ask()
        except HseCardError as fault:
            state = fault.code
            problems.append(_problem(name, fault))
        ports[name] = {"adapter": adapter, "state": state}
    return ports, problems
