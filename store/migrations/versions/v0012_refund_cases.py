"""Refund cases held by the database: roles with limits, each step an act with its actor, every øre on a planned road.

Whoever writes SQL by hand meets the same rules as whoever uses the program: nobody approves what they proposed, however
they spell their name; nobody approves above their limit; an approval is for the digest that was proposed, and what the
digest covers never changes. Cases of before get their acts and roads from what is on record.
"""

import json
from collections import defaultdict
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

WORD = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
APPEND_ONLY = ("refund_acts", "refund_roads", "refund_payouts")

_ROLES = "EXISTS (SELECT 1 FROM refund_roles WHERE agreed_at IS NOT NULL)"
_OF_PERSON = "FROM refund_roles WHERE person = NEW.person AND agreed_at IS NOT NULL ORDER BY role_id DESC LIMIT 1"
_LIMIT = f"coalesce((SELECT approve_up_to_ore {_OF_PERSON}), 0)"
_MAY_PROPOSE = f"coalesce((SELECT may_propose {_OF_PERSON}), false)"
_CASE = "EXISTS (SELECT 1 FROM refund_cases AS c WHERE c.case_id = NEW.case_id AND c.digest = NEW.digest AND "
_SUMS = " AND ".join(
    f"c.{name} = (SELECT sum(i.{name}) FROM refund_items AS i WHERE i.case_id = c.case_id)"  # noqa: S608 -- our names
    for name in ("net_ore", "vat_ore")
)
_OTHERS = "c.proposer <> NEW.person AND lower(trim(c.proposed_by)) <> lower(trim(NEW.actor))"
_WITHIN = f"(NOT {_ROLES} OR c.gross_ore <= {_LIMIT})"
_ACTS = (
    ("proposed", f"{_CASE} c.proposer = NEW.person) AND (NOT {_ROLES} OR {_MAY_PROPOSE})"),
    ("approved", f"{_CASE} c.state = 'proposed' AND {_OTHERS} AND {_SUMS} AND {_WITHIN})"),
    ("rejected", f"{_CASE} c.state IN ('proposed', 'approved'))"),
    ("executed", f"{_CASE} c.state = 'approved')"),
)
_BAD_ACT = " OR ".join(f"(NEW.act = '{act}' AND NOT ({right}))" for act, right in _ACTS)

_FROZEN = (
    *("case_id", "payer_org_number", "payer_name", "net_ore", "vat_ore", "gross_ore", "digest"),
    *("proposed_by", "proposer", "proposed_at"),
)
_STEPS = (
    *("proposed>approved", "proposed>rejected", "approved>rejected", "approved>executing", "executing>confirmed"),
    "confirmed>executing",  # a refund came back
)
_ACT = "EXISTS (SELECT 1 FROM refund_acts AS a WHERE a.case_id = NEW.case_id AND a.digest = NEW.digest AND a.act = "
_BAD_CASE = " OR ".join(
    (
        *(f"NEW.{name} <> OLD.{name}" for name in _FROZEN),
        f"(NEW.state <> OLD.state AND OLD.state || '>' || NEW.state NOT IN {_STEPS})",
        f"(NEW.state = 'approved' AND NOT {_ACT} 'approved' "
        "AND a.actor = NEW.approved_by AND a.person = NEW.approver))",
        f"(NEW.state IN ('executing', 'confirmed') AND NOT {_ACT} 'executed'))",
        "(OLD.state <> 'proposed' AND coalesce(NEW.approved_by, '') <> coalesce(OLD.approved_by, ''))",
        "(OLD.state <> 'proposed' AND coalesce(NEW.approver, '') <> coalesce(OLD.approver, ''))",
    )
)
_BAD_ITEM = (
    "NEW.case_id <> OLD.case_id OR NEW.position <> OLD.position OR NEW.finding_id <> OLD.finding_id "
    "OR NEW.net_ore <> OLD.net_ore OR NEW.vat_ore <> OLD.vat_ore OR NEW.content <> OLD.content "
    "OR NEW.invoice_number <> OLD.invoice_number OR (NEW.live AND NOT OLD.live)"
)
_NOT_PROPOSED = "NOT EXISTS (SELECT 1 FROM refund_cases AS c WHERE c.case_id = NEW.case_id AND c.state = 'proposed')"
_NOT_APPROVED = "NOT EXISTS (SELECT 1 FROM refund_cases AS c WHERE c.case_id = NEW.case_id AND c.state = 'approved')"
_ROLE = ("role_id", "name", "person", "approve_up_to_ore", "set_by", "setter", "set_at")
_BAD_ROLE = " OR ".join(
    (
        "OLD.agreed_by IS NOT NULL",
        *(f"NEW.{name} <> OLD.{name}" for name in _ROLE),
        "(NEW.may_propose AND NOT OLD.may_propose) OR (OLD.may_propose AND NOT NEW.may_propose)",
        "lower(trim(NEW.agreed_by)) IN (lower(trim(NEW.set_by)), lower(trim(NEW.name)))",
        "EXISTS (SELECT 1 FROM refund_roles AS n WHERE n.person = NEW.person AND n.role_id > NEW.role_id)",
    )
)
_BAD_AFTER_CHARGE = " OR ".join(
    (
        "OLD.agreed_by IS NOT NULL",
        *(f"NEW.{name} <> OLD.{name}" for name in ("finding_id", "net_ore", "asked_by", "asker", "asked_at")),
        "lower(trim(NEW.agreed_by)) = lower(trim(NEW.asked_by))",
    )
)
_BAD_PAYOUT = (
    "NEW.amount_ore <> coalesce((SELECT sum(r.amount_ore) FROM refund_roads AS r "
    "WHERE r.case_id = NEW.case_id AND r.road = 'pay_out'), 0)"
)
RULES = (  # name, act, when it is wrong, what is said
    ("refund_acts_allowed", "INSERT ON refund_acts", _BAD_ACT, "who did this may not, or not for this digest"),
    ("refund_cases_start", "INSERT ON refund_cases", "NEW.state <> 'proposed'", "a case begins proposed"),
    ("refund_cases_move", "UPDATE ON refund_cases", _BAD_CASE, "a case stands as proposed, each step by its act"),
    ("refund_cases_no_delete", "DELETE ON refund_cases", "true", "a case stays"),
    ("refund_items_with_case", "INSERT ON refund_items", _NOT_PROPOSED, "a case stands as proposed"),
    ("refund_items_stand", "UPDATE ON refund_items", _BAD_ITEM, "a case stands as proposed"),
    ("refund_items_no_delete", "DELETE ON refund_items", "true", "a case stands as proposed"),
    ("refund_roles_start", "INSERT ON refund_roles", "NEW.agreed_by IS NOT NULL", "a role is set, then agreed to"),
    ("refund_roles_agree", "UPDATE ON refund_roles", _BAD_ROLE, "a role is agreed to once, by a second person"),
    ("refund_roles_no_delete", "DELETE ON refund_roles", "true", "a role stays on record"),
    ("refund_roads_once", "INSERT ON refund_roads", _NOT_APPROVED, "roads are planned when a case is credited"),
    ("after_charges_start", "INSERT ON after_charges", "NEW.agreed_by IS NOT NULL", "it is asked for, then agreed to"),
    ("after_charges_agree", "UPDATE ON after_charges", _BAD_AFTER_CHARGE, "it is agreed to once, by a second person"),
    ("after_charges_no_delete", "DELETE ON after_charges", "true", "it stays on record"),
    ("refund_payouts_planned", "INSERT ON refund_payouts", _BAD_PAYOUT, "what is paid out is what was planned"),
)


def _words(names: str, *, nullable: bool = False) -> list[sa.Column[str]]:
    return [sa.Column(name, WORD, nullable=nullable) for name in names.split()]


def upgrade() -> None:
    _roles()
    _acts()
    _roads()
    _payouts()
    _after_charges()
    op.add_column("refund_items", sa.Column("invoice_number", WORD, nullable=True))
    op.create_index("refund_items_by_invoice", "refund_items", ["invoice_number", "case_id"])
    op.create_index("invoice_lines_by_order", "invoice_lines", ["order_number", "number"])
    _acts_of_before()
    _roads_of_before()
    _invoices_of_before()
    if op.get_bind().dialect.name == "postgresql":
        _rules_postgresql()
    else:
        _rules_sqlite()


def _roles() -> None:
    op.create_table(
        "refund_roles",
        sa.Column("role_id", sa.BigInteger(), autoincrement=False, nullable=False),
        *_words("name person"),
        sa.Column("may_propose", sa.Boolean(), nullable=False),
        sa.Column("approve_up_to_ore", sa.BigInteger(), nullable=False),
        *_words("set_by setter set_at"),
        *_words("agreed_by agreer agreed_at", nullable=True),
        sa.PrimaryKeyConstraint("role_id"),
        sa.CheckConstraint("approve_up_to_ore >= 0", name="refund_roles_amount"),
        sa.CheckConstraint("agreer <> setter AND agreer <> person", name="refund_roles_two_people"),
        sa.CheckConstraint(
            "(agreed_by IS NULL) = (agreer IS NULL) AND (agreer IS NULL) = (agreed_at IS NULL)",
            name="refund_roles_agreed",
        ),
    )
    op.create_index("refund_roles_by_person", "refund_roles", ["person", "role_id"])


def _acts() -> None:
    op.create_table(
        "refund_acts",
        *_words("case_id act actor person at digest"),
        sa.PrimaryKeyConstraint("case_id", "act"),
        sa.ForeignKeyConstraint(["case_id"], ["refund_cases.case_id"]),
        sa.CheckConstraint("act IN ('proposed', 'approved', 'rejected', 'executed')", name="refund_acts_known"),
    )


def _roads() -> None:
    op.create_table(
        "refund_roads",
        *_words("case_id"),
        sa.Column("position", sa.Integer(), nullable=False),
        *_words("road"),
        *_words("payment", nullable=True),
        sa.Column("invoice", sa.BigInteger(), nullable=True),
        sa.Column("amount_ore", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("case_id", "position"),
        sa.ForeignKeyConstraint(["case_id"], ["refund_cases.case_id"]),
        sa.ForeignKeyConstraint(["invoice"], ["invoices.number"]),
        sa.CheckConstraint("amount_ore > 0", name="refund_roads_something"),
        sa.CheckConstraint(
            "road IN ('payment', 'set_off', 'pay_out') AND (road = 'payment') = (payment IS NOT NULL) "
            "AND (invoice IS NULL OR road = 'set_off')",
            name="refund_roads_target",
        ),
    )
    op.create_index("refund_roads_by_payment", "refund_roads", ["payment"])
    unnamed = sa.text("road = 'set_off' AND invoice IS NULL")
    op.create_index("refund_roads_unnamed", "refund_roads", ["case_id"], sqlite_where=unnamed, postgresql_where=unnamed)


def _payouts() -> None:
    op.create_table(
        "refund_payouts",
        *_words("case_id"),
        sa.Column("amount_ore", sa.BigInteger(), nullable=False),
        *_words("reference told_by told_at"),
        sa.PrimaryKeyConstraint("case_id"),
        sa.ForeignKeyConstraint(["case_id"], ["refund_cases.case_id"]),
        sa.CheckConstraint("amount_ore > 0", name="refund_payouts_something"),
    )


def _after_charges() -> None:
    op.create_table(
        "after_charges",
        *_words("finding_id asked_by asker asked_at"),
        sa.Column("net_ore", sa.BigInteger(), nullable=False),
        *_words("agreed_by agreer agreed_at", nullable=True),
        sa.Column("invoice", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("finding_id"),
        sa.ForeignKeyConstraint(["finding_id"], ["postage_findings.finding_id"]),
        sa.ForeignKeyConstraint(["invoice"], ["invoices.number"]),
        sa.CheckConstraint("net_ore > 0", name="after_charges_something"),
        sa.CheckConstraint("agreer <> asker", name="after_charges_two_people"),
        sa.CheckConstraint(
            "(agreed_by IS NULL) = (agreer IS NULL) AND (agreer IS NULL) = (agreed_at IS NULL) "
            "AND (agreed_at IS NULL) = (invoice IS NULL)",
            name="after_charges_agreed",
        ),
    )


def _acts_of_before() -> None:
    """Who executed was not kept: the approver stands for it."""
    for act, actor, person, at, where in (
        ("proposed", "proposed_by", "proposer", "proposed_at", "true"),
        ("approved", "approved_by", "approver", "approved_at", "approved_by IS NOT NULL"),
        ("executed", "approved_by", "approver", "approved_at", "state IN ('executing', 'confirmed')"),
        ("rejected", "rejected_by", "lower(trim(rejected_by))", "rejected_at", "rejected_by IS NOT NULL"),
    ):
        op.execute(
            f"INSERT INTO refund_acts SELECT case_id, '{act}', {actor}, {person}, {at}, digest "  # noqa: S608 -- our names
            f"FROM refund_cases WHERE {where}"
        )


def _roads_of_before() -> None:
    """A payment where the items name one; the rest was set off, without an invoice that it was set off against."""
    connection = op.get_bind()
    query = (
        "SELECT i.case_id, i.net_ore + i.vat_ore, i.content FROM refund_items AS i JOIN refund_cases AS c "
        "ON c.case_id = i.case_id WHERE c.state IN ('executing', 'confirmed') ORDER BY i.case_id, i.position"
    )
    sums: dict[tuple[str, str | None], int] = defaultdict(int)
    for case_id, ore, content in connection.execute(sa.text(query)).all():
        sums[case_id, json.loads(content)["payment"]] += ore
    rows: list[dict[str, Any]] = []
    for (case_id, payment), ore in sums.items():
        road = "set_off" if payment is None else "payment"
        rows.append({"case_id": case_id, "road": road, "payment": payment, "amount_ore": ore, "position": len(rows)})
    insert = (
        "INSERT INTO refund_roads (case_id, position, road, payment, amount_ore) "
        "VALUES (:case_id, :position, :road, :payment, :amount_ore)"
    )
    for row in (row for row in rows if row["amount_ore"]):
        connection.execute(sa.text(insert), row)


def _invoices_of_before() -> None:
    connection = op.get_bind()
    items = connection.execute(sa.text("SELECT case_id, position, content FROM refund_items")).all()
    update = "UPDATE refund_items SET invoice_number = :number WHERE case_id = :case_id AND position = :position"
    for case_id, position, content in items:
        number = json.loads(content)["invoice_number"]
        connection.execute(sa.text(update), {"case_id": case_id, "position": position, "number": number})


def _rules_sqlite() -> None:
    for table in APPEND_ONLY:
        for act in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER {table}_no_{act.lower()} BEFORE {act} ON {table} "
                f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
            )
    for name, act, wrong, says in RULES:
        op.execute(f"CREATE TRIGGER {name} BEFORE {act} WHEN {wrong} BEGIN SELECT RAISE(ABORT, '{says}'); END")


def _rules_postgresql() -> None:
    for table in APPEND_ONLY:
        for act, each in (("UPDATE", "ROW"), ("DELETE", "ROW"), ("TRUNCATE", "STATEMENT")):
            op.execute(
                f"CREATE TRIGGER {table}_no_{act.lower()} BEFORE {act} ON {table} "
                f"FOR EACH {each} EXECUTE FUNCTION hsecard_append_only()"
            )
    for table in ("refund_cases", "refund_items", "refund_roles", "after_charges"):
        op.execute(
            f"CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION hsecard_append_only()"
        )
    for name, act, wrong, says in RULES:
        op.execute(
            f"CREATE FUNCTION hsecard_{name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF {wrong} THEN "
            f"RAISE EXCEPTION '{says}' USING ERRCODE = 'integrity_constraint_violation'; "
            "END IF; RETURN NEW; END $$"
        )
        op.execute(f"CREATE TRIGGER {name} BEFORE {act} FOR EACH ROW EXECUTE FUNCTION hsecard_{name}()")
