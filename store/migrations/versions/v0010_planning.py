"""The letter of a charge in a column of its own, so that the audit reads letter by letter, not all at once."""

import sqlalchemy as sa
from alembic import op

from store.columns import Word

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_SHIPMENT = {"sqlite": "json_extract(content, '$.shipment')", "postgresql": "content::json ->> 'shipment'"}


def upgrade() -> None:
    op.add_column("postage_charges", sa.Column("shipment", Word, nullable=False, server_default=""))
    op.execute(f"UPDATE postage_charges SET shipment = {_SHIPMENT[op.get_bind().dialect.name]}")  # noqa: S608 -- our own words
    op.create_index("postage_charges_by_letter", "postage_charges", ["origin", "shipment", "charge_id"])
