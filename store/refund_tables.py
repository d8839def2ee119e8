"""The tables around refund cases: who may do what, who did what, which road the money takes, what was paid by hand.

A case and its items stand as proposed for ever; only its state moves, and only along an act that is kept here. The
database holds the pair of eyes, the limits and the digest itself: triggers on both databases (see migration 0012).
"""

from sqlalchemy import BigInteger, Boolean, CheckConstraint, Column, ForeignKey, Index, Integer, Table, text

from store.columns import Instant, Word
from store.tables import metadata

_UNNAMED = text("road = 'set_off' AND invoice IS NULL")  # set off before each set-off named its invoice

refund_roles = Table(
    "refund_roles",
    metadata,
    Column("role_id", BigInteger, primary_key=True, autoincrement=False),
    Column("name", Word, nullable=False),
    Column("person", Word, nullable=False),  # as names are compared
    Column("may_propose", Boolean, nullable=False),
    Column("approve_up_to_ore", BigInteger, nullable=False),
    Column("set_by", Word, nullable=False),
    Column("setter", Word, nullable=False),
    Column("set_at", Instant, nullable=False),
    Column("agreed_by", Word),
    Column("agreer", Word),
    Column("agreed_at", Instant),
    CheckConstraint("approve_up_to_ore >= 0", name="refund_roles_amount"),
    CheckConstraint("agreer <> setter AND agreer <> person", name="refund_roles_two_people"),
    CheckConstraint(
        "(agreed_by IS NULL) = (agreer IS NULL) AND (agreer IS NULL) = (agreed_at IS NULL)", name="refund_roles_agreed"
    ),
    Index("refund_roles_by_person", "person", "role_id"),
)

refund_acts = Table(
    "refund_acts",
    metadata,
    Column("case_id", Word, ForeignKey("refund_cases.case_id"), primary_key=True),
    Column("act", Word, primary_key=True),  # proposed, approved, rejected, executed
    Column("actor", Word, nullable=False),
    Column("person", Word, nullable=False),
    Column("at", Instant, nullable=False),
    Column("digest", Word, nullable=False),
    CheckConstraint("act IN ('proposed', 'approved', 'rejected', 'executed')", name="refund_acts_known"),
)

refund_roads = Table(
    "refund_roads",
    metadata,
    Column("case_id", Word, ForeignKey("refund_cases.case_id"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("road", Word, nullable=False),
    Column("payment", Word),
    Column("invoice", BigInteger, ForeignKey("invoices.number")),
    Column("amount_ore", BigInteger, nullable=False),
    CheckConstraint("amount_ore > 0", name="refund_roads_something"),
    CheckConstraint(
        "road IN ('payment', 'set_off', 'pay_out') AND (road = 'payment') = (payment IS NOT NULL) "
        "AND (invoice IS NULL OR road = 'set_off')",
        name="refund_roads_target",
    ),
    Index("refund_roads_by_payment", "payment"),
    Index("refund_roads_unnamed", "case_id", sqlite_where=_UNNAMED, postgresql_where=_UNNAMED),
)

refund_payouts = Table(
    "refund_payouts",
    metadata,
    Column("case_id", Word, ForeignKey("refund_cases.case_id"), primary_key=True),
    Column("amount_ore", BigInteger, nullable=False),
    Column("reference", Word, nullable=False),  # the bank's, or ours on its list
    Column("told_by", Word, nullable=False),
    Column("told_at", Instant, nullable=False),
    CheckConstraint("amount_ore > 0", name="refund_payouts_something"),
)

after_charges = Table(
    "after_charges",
    metadata,
    Column("finding_id", Word, ForeignKey("postage_findings.finding_id"), primary_key=True),
    Column("net_ore", BigInteger, nullable=False),
    Column("asked_by", Word, nullable=False),
    Column("asker", Word, nullable=False),
    Column("asked_at", Instant, nullable=False),
    Column("agreed_by", Word),
    Column("agreer", Word),
    Column("agreed_at", Instant),
    Column("invoice", BigInteger, ForeignKey("invoices.number")),
    CheckConstraint("net_ore > 0", name="after_charges_something"),
    CheckConstraint("agreer <> asker", name="after_charges_two_people"),
    CheckConstraint(
        "(agreed_by IS NULL) = (agreer IS NULL) AND (agreer IS NULL) = (agreed_at IS NULL) "
        "AND (agreed_at IS NULL) = (invoice IS NULL)",
        name="after_charges_agreed",
    ),
)

REFUND_APPEND_ONLY = ("refund_acts", "refund_roads", "refund_payouts")
"""Tables whose rows never change or go: triggers on both databases raise."""
