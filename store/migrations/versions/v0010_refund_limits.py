"""What refund cases need beyond the first schema: limits by role, set-off."""

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Nothing yet."""
