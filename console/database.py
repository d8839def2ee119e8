"""The database from the terminal, as its owner: what the user may do as whom the house works."""
# ruff: noqa: PLC0415 -- the store is imported by the command that needs it: help must be quick

from typing import Annotated

import typer

from console.answer import answer
from console.options import AsJson, DryRun
from console.show import line

app = typer.Typer(no_args_is_help=True, help="The database's owner: rights of the house's own user.")


@app.callback()
def database() -> None:
    """The database's owner: rights of the house's own user."""


@app.command()
def grants(
    role: Annotated[str, typer.Option("--role", metavar="NAME", help="The user as whom the house works.")],
    as_json: AsJson = False,
    dry_run: DryRun = False,
) -> int:
    """Give a user of PostgreSQL the rights that the house needs, and no others.

    Run it as the owner of the tables, after each `hsecard doctor --migrate`. With --dry-run it prints the statements.
    """
    from flows.settings import read_settings
    from store.grants import grant_rights

    statements = grant_rights(read_settings().database, role, dry_run=dry_run)
    if dry_run:
        shown = [line(f"{statement};") for statement in statements]
    else:
        shown = [line(f"{role} may do what the house does, and no more")]
    return answer({"dry_run": dry_run, "role": role, "statements": statements}, shown, as_json=as_json)
