"""What the shipping room needs beyond the first schema: orders found by the place they go to."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("orders_by_address", "orders", ["address_key", "order_number"])
