"""The house typeface: every document and every card is set in the same four subset faces of Noto Sans.

They ship with the code (licence beside them), so that the same input gives the same bytes on a machine with no fonts
installed. Rooms embed them; what a face can write, the room that draws asks the font itself.
"""

from importlib.resources import files
from pathlib import Path
from typing import Literal

FontStyle = Literal["regular", "bold", "condensed", "condensed_bold"]

_FILES: dict[FontStyle, str] = {
    "regular": "NotoSans-Regular.ttf",
    "bold": "NotoSans-Bold.ttf",
    "condensed": "NotoSans-Condensed.ttf",
    "condensed_bold": "NotoSans-CondensedBold.ttf",
}


def font_file(style: FontStyle) -> Path:
    """The TrueType file of one style of the house typeface (Latin, Cyrillic, Greek; SIL Open Font License 1.1)."""
    return Path(str(files("cards").joinpath("typefaces", _FILES[style])))
