"""A postal address as its author typed it. Nothing here corrects it: shipping derives the key and the label lines."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints

Line = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]


class Address(BaseModel):
    """One place and who is to receive there. `country` is ISO 3166-1 alpha-2; postcodes are text (0001 is Oslo)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    recipient: Line
    attention: Line | None = None
    care_of: Line | None = None
    street: Line
    postcode: Line
    city: Line
    country: Annotated[str, StringConstraints(strip_whitespace=True, to_upper=True, pattern=r"^[A-Za-z]{2}$")] = "NO"
