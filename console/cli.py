"""The command line `hsecard`: one command a noun, one exit code an error family, never a traceback for our errors.

Only typer, rich and the nouns are imported at the start; each command brings its rooms along when it runs.
"""

import os
import sys
import tempfile
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import typer
from typer.exceptions import TyperException

from cards.errors import HseCardError
from console import (
    addresses,
    api,
    bank,
    batches,
    blanks,
    businesses,
    cards,
    chip,
    chips,
    database,
    demo,
    doctor,
    documents,
    encoders,
    invoices,
    layouts,
    ledger,
    line,
    numbers,
    orders,
    packing,
    payments,
    photos,
    postage,
    postcodes,
    prints,
    proof,
    refunds,
    returns,
    serve,
    shipments,
    status,
)
from console.answer import DEFECT, PIPE_CLOSED, STOPPED, answer_error, answer_words
from console.options import HOUSE, MONEY, ORDERS, WORK

app = typer.Typer(
    name="hsecard",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    help="Production and fulfilment of the Norwegian HSE card: from approved order to posted card, invoice and refund.",
    epilog="Settings are HSECARD_… variables (`hsecard doctor` lists them). Exit codes: "
    "0 done, 1 defect, 2 usage, 3 refused, 4 unavailable, 5 spoiled, 6 unsure, 7 audit violations.",
)
app.add_typer(orders.app, name="orders", rich_help_panel=ORDERS)
app.add_typer(cards.app, name="cards", rich_help_panel=ORDERS)
app.add_typer(photos.app, name="photos", rich_help_panel=ORDERS)
app.add_typer(addresses.app, name="addresses", rich_help_panel=ORDERS)
app.add_typer(postcodes.app, name="postcodes", rich_help_panel=ORDERS)
app.add_typer(layouts.app, name="layouts", rich_help_panel=ORDERS)
app.add_typer(batches.app, name="batches", rich_help_panel=ORDERS)
app.add_typer(prints.app, name="prints", rich_help_panel=ORDERS)
proof.register(app)
app.add_typer(chips.app, name="chips", rich_help_panel=ORDERS)
app.add_typer(database.app, name="database", rich_help_panel=HOUSE)
app.add_typer(encoders.app, name="encoders", rich_help_panel=WORK)
app.add_typer(chip.app, name="chip", rich_help_panel=ORDERS)
app.add_typer(blanks.app, name="blanks", rich_help_panel=ORDERS)
line.register(app)
app.add_typer(shipments.app, name="shipments", rich_help_panel=WORK)
app.add_typer(returns.app, name="returns", rich_help_panel=WORK)
app.add_typer(refunds.app, name="refunds", rich_help_panel=MONEY)
app.add_typer(postage.app, name="postage", rich_help_panel=MONEY)
app.add_typer(invoices.app, name="invoices", rich_help_panel=MONEY)
app.add_typer(businesses.app, name="businesses", rich_help_panel=MONEY)
app.add_typer(ledger.app, name="ledger", rich_help_panel=MONEY)
app.add_typer(documents.app, name="documents", rich_help_panel=MONEY)
app.add_typer(payments.app, name="payments", rich_help_panel=MONEY)
app.add_typer(bank.app, name="bank", rich_help_panel=MONEY)
app.add_typer(numbers.app, name="numbers", rich_help_panel=WORK)
for part in (packing, shipments, status, doctor, serve, api, demo):
    part.register(app)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and give its exit code. `argv` without the program's name; by default this process's."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    as_json = "--json" in arguments
    try:
        result: Any = app(arguments, standalone_mode=False, prog_name="hsecard")
        return result if isinstance(result, int) else 0
    except HseCardError as fault:
        return answer_error(fault, as_json=as_json)
    except TyperException as wrong:
        return _answer_usage(wrong, as_json=as_json)
    except (typer.Abort, KeyboardInterrupt):
        return answer_words(
            "stopped.by_hand",
            "stopped by hand; what was done is kept",
            fix="run the same command again: it goes on where it was",
            as_json=as_json,
            exit_code=STOPPED,
        )
    except (BrokenPipeError, SystemExit):  # whoever read our words left (`| head`); typer tells it by SystemExit
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return PIPE_CLOSED
    except Exception as bug:
        return _answer_defect(bug, as_json=as_json)


def _answer_usage(wrong: TyperException, *, as_json: bool) -> int:
    if as_json:
        words = wrong.format_message()
        return answer_words("usage.wrong", words, fix="see `hsecard --help`", as_json=True, exit_code=wrong.exit_code)
    from typer.rich_utils import rich_format_error  # noqa: PLC0415 -- needed in this corner only

    rich_format_error(wrong)  # type: ignore[arg-type]  # its own parameter type is a private alias of this class
    return wrong.exit_code


def _answer_defect(bug: Exception, *, as_json: bool) -> int:
    place = _write_traceback()
    return answer_words(
        "defect.unexpected",
        f"a defect of ours: {type(bug).__name__}",
        fix=f"nothing half-done is kept; report it with the traceback in {place}",
        as_json=as_json,
        exit_code=DEFECT,
    )


def _write_traceback() -> Path:
    """Into the house's folder; into the system's own when that cannot be written."""
    text = traceback.format_exc()
    for folder in (Path(os.environ.get("HSECARD_HOME", "hsecard-home")), Path(tempfile.gettempdir())):
        try:
            place = folder / "last-defect.txt"
            place.write_text(text, "utf-8")
        except OSError:
            continue
        return place
    sys.stderr.write(text)
    return Path("stderr")


if __name__ == "__main__":
    sys.exit(main())
