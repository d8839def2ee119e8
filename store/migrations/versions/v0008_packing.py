"""What packing by scan and the carrier's numbers need beyond the first schema."""

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Nothing yet."""
