"""What a letter of cards weighs and how thick it is. Paper weight alone can move a letter over a weight step, so the
figures are configuration with a weighing date, never constants in code.
"""

from functools import cache
from importlib.resources import files
from pathlib import Path

from pydantic import ValidationError

from cards.errors import Refused
from shipping.models import WeightModel


@cache
def bundled_weights() -> WeightModel:
    """The house's default: ID-1 PVC card 4.9 g, A4 sheet of 80 g/m² 5.0 g, C5 envelope 7.5 g; 0.9 mm a card."""
    return WeightModel.model_validate_json(files("shipping").joinpath("data", "weights.json").read_bytes())


def load_weights(path: Path) -> WeightModel:
    """The weights a bureau has measured itself. Raises Refused `weights.invalid`."""
    try:
        return WeightModel.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as fault:
        raise Refused(
            "weights.invalid",
            f"the weights in {path} cannot be used: {fault}",
            fix="give every field of shipping/data/weights.json, in grams and millimetres, with the weighing date",
        ) from None


def weigh(cards: int, model: WeightModel) -> tuple[float, float]:
    """Weight in grams and thickness in millimetres of one letter with `cards` cards, rounded to 0.01.

    Cards lie on sheets of `cards_per_sheet`; the leaves and the cards on them stack, the envelope lies around all.
    """
    if cards < 1:
        raise ValueError("a letter holds at least one card")
    sheets = -(-cards // model.cards_per_sheet)
    layers = sheets  # cards of one sheet lie side by side: one layer of cards a sheet
    weight_g = cards * model.card_g + sheets * model.sheet_g + model.envelope_g
    thickness_mm = layers * model.card_mm + sheets * model.sheet_mm + model.envelope_mm
    return round(weight_g, 2), round(thickness_mm, 2)
