"""Roles in refunds from the terminal: who may propose, and approve up to what; set by one, agreed to by another."""
# ruff: noqa: PLC0415 -- the stages bring the heavy rooms along: help must be quick

from typing import TYPE_CHECKING, Annotated

import typer

from console.answer import answer
from console.options import AsJson, By, DryRun, ore_of
from console.show import bare, line, table
from console.work import at_work

if TYPE_CHECKING:
    from billing.refund_roles import RefundRole

app = typer.Typer(no_args_is_help=True, help="Who may propose and approve refunds: list, set, agree.")
Name = Annotated[str, typer.Argument(metavar="NAME", help="Whose role it is.")]


@app.command("list")
def list_roles(as_json: AsJson = False) -> int:
    """List every role that was ever set, with who set it and who agreed."""
    from billing.refund_roles import in_force

    with at_work("reader") as house, house.store.read() as uow:
        roles = uow.refund_roles.all()
    holding = {role.role_id for role in in_force(roles).values()}
    rows = [
        (
            role.name,
            role.may_propose,
            bare(role.approve_up_to_ore),
            role.set_by,
            role.agreed_by,
            "holds" if role.role_id in holding else "past" if role.agreed_by else "waits",
        )
        for role in roles
    ]
    heading = ("name", "proposes", "approves up to", "set by", "agreed by", "")
    shown = [table("Roles in refunds", heading, rows, right=("approves up to",))]
    document = [{**role.model_dump(mode="json"), "holds": role.role_id in holding} for role in roles]
    return answer({"roles": document}, shown, as_json=as_json)


@app.command("set")
def set_role(  # noqa: PLR0917 -- typer hands options over by name
    name: Name,
    by: By,
    approve_up_to: Annotated[str, typer.Option("--approve-up-to", metavar="NOK", help="With VAT, e.g. 5000.00.")],
    propose: Annotated[bool, typer.Option("--propose/--no-propose", help="May propose refunds.")] = False,
    as_json: AsJson = False,
    dry_run: DryRun = False,
) -> int:
    """Set what somebody may do. It holds once a second person agrees.

    To take a role away, set it with --approve-up-to 0 and without --propose.
    """
    from flows.stages.refund_roles import set_role as keep_role

    limit = ore_of(approve_up_to, "approve-up-to")
    with at_work(by, dry_run=dry_run) as house:
        role = keep_role(house, name, may_propose=propose, approve_up_to_ore=limit, by=by)
    words = f"{role.name}: holds once a second person agrees: `hsecard refunds roles agree`"
    return _answer(role, words, dry_run=dry_run, as_json=as_json)


@app.command()
def agree(name: Name, by: By, as_json: AsJson = False, dry_run: DryRun = False) -> int:
    """Agree to a role that was set. Never who set it, or whose it is."""
    from flows.stages.refund_roles import agree_to_role

    with at_work(by, dry_run=dry_run) as house:
        role = agree_to_role(house, name, by=by)
    may = "may propose, and" if role.may_propose else "may"
    words = f"{role.name} {may} approve up to {bare(role.approve_up_to_ore)} NOK"
    return _answer(role, f"would hold: {words}" if dry_run else words, dry_run=dry_run, as_json=as_json)


def _answer(role: "RefundRole", words: str, *, dry_run: bool, as_json: bool) -> int:
    return answer({"dry_run": dry_run, "role": role.model_dump(mode="json")}, [line(words)], as_json=as_json)
