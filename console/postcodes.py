"""Norway's postcode register from the terminal: the official file loaded, and what that changes."""
# ruff: noqa: PLC0415 -- the register comes along when it is needed: help must be quick

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from console.answer import answer
from console.options import AsJson, DryRun
from console.show import facts, line, table
from console.work import at_work

if TYPE_CHECKING:
    from flows.stages.postcodes import Imported

app = typer.Typer(no_args_is_help=True, help="Norway's postcode register: import, ask.")
_SHOWN = 20  # changes a kind in the table; --json lists all


@app.command("import")
def import_register(
    path: Annotated[
        Path, typer.Argument(metavar="FILE", help="Bring's postnummerregister-ansi.txt (tab-separated, Latin-1).")
    ],
    as_json: AsJson = False,
    dry_run: DryRun = False,
) -> int:
    """Load the official register, with street and box codes told apart, and say what changed.

    From then on addresses are judged by it: by `addresses check`, at intake and by `orders readdress`. A file with a
    wrong line is refused whole, its lines named, and the register in use stays.
    """
    from flows.settings import read_settings
    from flows.stages.postcodes import import_postcodes

    done = import_postcodes(read_settings().home, path, dry_run=dry_run)
    document = {
        "dry_run": dry_run,
        "codes": done.codes,
        "categories": done.categories,
        "changes": {kind: list(changed) for kind, changed in asdict(done.changes).items()},
    }
    return answer(document, _shown(done), as_json=as_json)


@app.command("ask")
def ask(
    code: Annotated[str, typer.Argument(metavar="CODE", help="A Norwegian postcode, as text (0184).")],
    as_json: AsJson = False,
) -> int:
    """Say which place a postcode is, by our register and by the carrier.

    The carrier is asked where HSECARD_CARRIER is bring. Where the two differ,
    load a new register.
    """
    from flows.stages.quote import ask_postcode

    with at_work("reader") as house:
        said = ask_postcode(house, code)
    pairs = {"our register": said.register_place, "the carrier": said.carrier_place if said.asked else "not asked"}
    shown: list[Any] = [facts(f"Postcode {said.postcode}", pairs)]
    if said.differs:
        shown.append(line("They differ: load a new register with `hsecard postcodes import`.", "yellow"))
    return answer({**asdict(said), "differs": said.differs}, shown, as_json=as_json)


def _shown(done: "Imported") -> list[Any]:
    rows = [
        (kind, len(changed), ", ".join(changed[:_SHOWN]) + (" …" if len(changed) > _SHOWN else ""))
        for kind, changed in asdict(done.changes).items()
    ]
    return [
        table("Postcodes", ("change", "count", "codes"), rows, right=("count",)),
        line(f"{done.codes} codes, {done.categories} with a category"),
        line("Orders already taken in keep their verdict until `hsecard addresses rekey`."),
    ]
