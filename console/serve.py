"""The house's own Prefect server from the terminal: flows, schedules and the automation, until it is stopped."""
# ruff: noqa: PLC0415 -- the flows bring the heavy rooms along: help must be quick

import typer
from rich.console import Console

from console.answer import answer, print_json
from console.api import address_of, token_of
from console.options import WORK, AsJson
from console.show import line


def register(app: typer.Typer) -> None:
    """Put it on the root command."""
    app.command(rich_help_panel=WORK)(serve)


def serve(as_json: AsJson = False) -> int:
    """Start the Prefect server with the bureau's flows and schedules.

    Runs on this machine only (127.0.0.1), until Ctrl-C. With --json one document
    is printed once all is in place. The API for fault reports runs beside it when
    HSECARD_API_TOKEN is set.
    """
    from flows.serve import serve as run_server
    from flows.settings import read_settings

    settings = read_settings()
    if settings.api_token is not None:
        token_of(settings)  # a token that will not do is told here, not in the log of a program that ended

    def say_where(url: str) -> None:
        faults = address_of(settings) if settings.api_token is not None else None
        if as_json:
            print_json({"ui": url, "api": f"{url}/api", "faults": faults})
            return
        Console().print(line(f"the bureau's flows are at {url}; Ctrl-C stops the server"))
        if faults:
            Console().print(line(f"fault reports are taken at {faults}"))

    run_server(settings, on_ready=say_where)
    return 0 if as_json else answer({}, [line("the server has stopped")], as_json=False)
