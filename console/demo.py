"""The main job once over samples/: placeholder until the rooms have landed."""

import typer

from console.options import HOUSE


def register(app: typer.Typer) -> None:
    """Put it on the root command."""
    app.command(rich_help_panel=HOUSE)(demo)


def demo() -> int:
    """Run the main job on samples/."""
    return 0
