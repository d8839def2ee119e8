"""The first schema: orders, cards, journals, batches, blanks, chips, shipments, postage, money, effects.

Types are written out here as they were on the day: a migration never follows the code that came after it.
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

WORD = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")

APPEND_ONLY = ("card_events", "invoices", "invoice_lines", "credit_notes", "ledger_entries", "blank_moves")


def _words(names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, WORD, nullable=False) for name in names.split()]


def _maybe(names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, WORD, nullable=True) for name in names.split()]


def _amounts(names: str) -> list[sa.Column[int]]:
    return [sa.Column(name, sa.BigInteger(), nullable=False) for name in names.split()]


def _once(name: str, table: str, columns: list[str], *, where: str) -> None:
    rows = sa.text(where)
    op.create_index(name, table, columns, unique=True, sqlite_where=rows, postgresql_where=rows)


def upgrade() -> None:
    for table in TABLES:
        table()
    if op.get_bind().dialect.name == "postgresql":
        _append_only_postgresql()
    else:
        _append_only_sqlite()


def _append_only_sqlite() -> None:
    for table in APPEND_ONLY:
        for act in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER {table}_no_{act.lower()} BEFORE {act} ON {table} "
                f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
            )


def _append_only_postgresql() -> None:
    op.execute(
        "CREATE FUNCTION hsecard_append_only() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'integrity_constraint_violation'; END $$"
    )
    for table in APPEND_ONLY:
        for act, each in (("UPDATE", "ROW"), ("DELETE", "ROW"), ("TRUNCATE", "STATEMENT")):
            op.execute(
                f"CREATE TRIGGER {table}_no_{act.lower()} BEFORE {act} ON {table} "
                f"FOR EACH {each} EXECUTE FUNCTION hsecard_append_only()"
            )


def _batches() -> None:
    op.create_table(
        "batches",
        *_words("batch_id frozen_at frozen_by state lot digest"),
        *_maybe("print_file run_sheet contact_sheet"),
        sa.Column("issued", sa.Integer(), nullable=True),
        sa.Column("good", sa.Integer(), nullable=True),
        sa.Column("spoiled", sa.Integer(), nullable=True),
        sa.Column("returned", sa.Integer(), nullable=True),
        *_maybe("counted_by witnessed_by closed_at"),
        sa.CheckConstraint("(state = 'closed') = (counted_by IS NOT NULL)", name="batches_closed_when_counted"),
        sa.CheckConstraint("counted_by <> witnessed_by", name="batches_two_people"),
        sa.PrimaryKeyConstraint("batch_id"),
    )
    op.create_index("batches_by_state", "batches", ["state", "batch_id"])


def _blank_moves() -> None:
    op.create_table(
        "blank_moves",
        *_words("move_key at actor lot source target"),
        sa.Column("count", sa.Integer(), nullable=False),
        *_maybe("batch_id card_id cause"),
        sa.CheckConstraint("count > 0", name="blank_moves_something"),
        sa.CheckConstraint("source <> target", name="blank_moves_somewhere"),
        sa.PrimaryKeyConstraint("move_key"),
    )
    op.create_index("blank_moves_by_batch", "blank_moves", ["batch_id"])


def _blank_stock() -> None:
    op.create_table(
        "blank_stock",
        *_words("lot account"),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("count >= 0 OR account = 'supplier'", name="blank_stock_never_short"),
        sa.PrimaryKeyConstraint("lot", "account"),
    )


def _credit_notes() -> None:
    op.create_table(
        "credit_notes",
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("issued_on", sa.Date(), nullable=False),
        *_words("case_id"),
        *_amounts("net_ore vat_ore gross_ore"),
        sa.Column("content", sa.Text(), nullable=False),
        sa.CheckConstraint("gross_ore = net_ore + vat_ore", name="credit_notes_add_up"),
        sa.PrimaryKeyConstraint("number"),
    )
    op.create_index("credit_notes_case_once", "credit_notes", ["case_id"], unique=True)


def _documents() -> None:
    op.create_table(
        "documents",
        *_words("document_id kind subject blob_key sha256"),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("document_id"),
    )
    op.create_index("documents_by_subject", "documents", ["subject"])


def _effects() -> None:
    op.create_table(
        "effects",
        *_words("key kind subject"),
        sa.Column("request", sa.Text(), nullable=False),
        *_words("digest state planned_at"),
        *_maybe("sent_at settled_at"),
        sa.Column("answer", sa.Text(), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("key"),
    )
    op.create_index("effects_by_state", "effects", ["state", "kind"])
    op.create_index("effects_by_subject", "effects", ["subject", "kind"])


def _ledger_entries() -> None:
    op.create_table(
        "ledger_entries",
        *_words("posting"),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("booked_on", sa.Date(), nullable=False),
        *_words("account"),
        *_amounts("amount_ore"),
        *_words("document"),
        *_maybe("vat_code"),
        *_words("text"),
        sa.PrimaryKeyConstraint("posting", "position"),
    )
    op.create_index("ledger_by_account", "ledger_entries", ["account"])
    op.create_index("ledger_by_document", "ledger_entries", ["document"])


def _number_series() -> None:
    op.create_table(
        "number_series",
        *_words("name"),
        sa.Column("last", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )


def _orders() -> None:
    op.create_table(
        "orders",
        *_words("order_number digest document_key received_at ordered_at approved_at org_number card_kind"),
        sa.Column("ordered_by", sa.Text(), nullable=False),
        sa.Column("business", sa.Text(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=True),
        sa.Column("deliver_to", sa.Text(), nullable=False),
        *_words("address_key"),
        sa.Column("address_valid", sa.Boolean(), nullable=False),
        sa.Column("address_reasons", sa.Text(), nullable=False),
        *_maybe("address_suggestion"),
        sa.Column("label_lines", sa.Text(), nullable=False),
        sa.Column("rule_version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("order_number"),
    )
    op.create_index("orders_by_business", "orders", ["org_number", "received_at"])


def _postage_charges() -> None:
    op.create_table(
        "postage_charges",
        *_words("charge_id origin payer_org_number order_number invoice_number"),
        sa.Column("posted_on", sa.Date(), nullable=True),
        *_amounts("charged_net_ore vat_ore"),
        sa.Column("content", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("charge_id"),
    )
    op.create_index("postage_charges_by_day", "postage_charges", ["posted_on"])


def _refund_cases() -> None:
    op.create_table(
        "refund_cases",
        *_words("case_id payer_org_number payer_name"),
        *_amounts("net_ore vat_ore gross_ore"),
        *_words("digest state proposed_by proposer proposed_at"),
        *_maybe("approved_by approver approved_at rejected_by rejected_at"),
        sa.Column("credit_note", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(
            "state IN ('proposed', 'rejected') OR (approved_by IS NOT NULL AND approved_at IS NOT NULL)",
            name="refund_cases_approved_first",
        ),
        sa.CheckConstraint("approved_by <> proposed_by AND approver <> proposer", name="refund_cases_two_people"),
        sa.CheckConstraint("gross_ore = net_ore + vat_ore", name="refund_cases_add_up"),
        sa.PrimaryKeyConstraint("case_id"),
    )
    op.create_index("refund_cases_by_state", "refund_cases", ["state", "case_id"])


def _shipments() -> None:
    op.create_table(
        "shipments",
        *_words("shipment_id"),
        sa.Column("number", sa.BigInteger(), nullable=False),
        *_words("address_key"),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("label_lines", sa.Text(), nullable=False),
        sa.Column("weight_g", sa.Float(precision=53), nullable=False),
        sa.Column("thickness_mm", sa.Float(precision=53), nullable=False),
        *_words("product tariff"),
        *_amounts("postage_net_ore"),
        sa.Column("vat_percent", sa.Integer(), nullable=False),
        *_words("state"),
        sa.Column("planned_on", sa.Date(), nullable=False),
        *_maybe("posted_at booking manifest_id"),
        sa.CheckConstraint("(state = 'posted') = (booking IS NOT NULL)", name="shipments_posted_when_booked"),
        sa.PrimaryKeyConstraint("shipment_id"),
    )
    op.create_index("shipments_by_manifest", "shipments", ["manifest_id"])
    op.create_index("shipments_by_state", "shipments", ["state", "shipment_id"])
    op.create_index("shipments_number_once", "shipments", ["number"], unique=True)


def _cards() -> None:
    op.create_table(
        "cards",
        *_words("card_id order_number"),
        sa.Column("line", sa.Integer(), nullable=False),
        *_words("number kind given_name family_name search_name"),
        sa.Column("birth_date", sa.Date(), nullable=False),
        sa.Column("head_covering", sa.Boolean(), nullable=False),
        *_maybe("photo portrait"),
        sa.Column("issued_on", sa.Date(), nullable=True),
        sa.Column("valid_until", sa.Date(), nullable=True),
        *_maybe("design"),
        *_words("state"),
        *_maybe(
            "hold_reason hold_detail hold_field hold_fix resumes_in replaces replaced_by batch_id shipment_id chip_uid"
        ),
        sa.CheckConstraint(
            "(state = 'held') = (hold_reason IS NOT NULL) AND (state = 'held') = (resumes_in IS NOT NULL)",
            name="cards_held_with_reason",
        ),
        sa.ForeignKeyConstraint(["order_number"], ["orders.order_number"]),
        sa.PrimaryKeyConstraint("card_id"),
    )
    op.create_index("cards_by_order", "cards", ["order_number", "line"])
    op.create_index("cards_by_photo", "cards", ["photo"])
    op.create_index("cards_by_portrait", "cards", ["portrait"])
    op.create_index("cards_by_replaced", "cards", ["replaces"])
    op.create_index("cards_by_state", "cards", ["state", "card_id"])
    op.create_index("cards_number_once", "cards", ["number"], unique=True)


def _invoices() -> None:
    op.create_table(
        "invoices",
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        *_words("kid"),
        sa.Column("issued_on", sa.Date(), nullable=False),
        *_words("order_number"),
        *_amounts("net_ore vat_ore gross_ore"),
        sa.Column("content", sa.Text(), nullable=False),
        sa.CheckConstraint("gross_ore = net_ore + vat_ore", name="invoices_add_up"),
        sa.ForeignKeyConstraint(["order_number"], ["orders.order_number"]),
        sa.PrimaryKeyConstraint("number"),
    )
    op.create_index("invoices_by_order", "invoices", ["order_number"])
    op.create_index("invoices_kid_once", "invoices", ["kid"], unique=True)


def _postage_findings() -> None:
    op.create_table(
        "postage_findings",
        *_words("finding_id charge_id kind"),
        sa.Column("due_net_ore", sa.BigInteger(), nullable=True),
        *_amounts("refund_net_ore refund_vat_ore"),
        sa.Column("evidence", sa.Text(), nullable=False),
        sa.CheckConstraint("refund_net_ore >= 0 AND refund_vat_ore >= 0", name="postage_findings_give_back"),
        sa.ForeignKeyConstraint(["charge_id"], ["postage_charges.charge_id"]),
        sa.PrimaryKeyConstraint("finding_id"),
    )
    op.create_index("postage_findings_by_charge", "postage_findings", ["charge_id"])


def _refund_items() -> None:
    op.create_table(
        "refund_items",
        *_words("case_id"),
        sa.Column("position", sa.Integer(), nullable=False),
        *_words("finding_id"),
        *_amounts("net_ore vat_ore"),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("live", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["case_id"], ["refund_cases.case_id"]),
        sa.PrimaryKeyConstraint("case_id", "position"),
    )
    _once("refund_items_finding_once", "refund_items", ["finding_id"], where="live")


def _shipment_shares() -> None:
    op.create_table(
        "shipment_shares",
        *_words("shipment_id order_number"),
        sa.Column("place", sa.Integer(), nullable=False),
        *_amounts("net_ore"),
        sa.ForeignKeyConstraint(["order_number"], ["orders.order_number"]),
        sa.ForeignKeyConstraint(["shipment_id"], ["shipments.shipment_id"]),
        sa.PrimaryKeyConstraint("shipment_id", "order_number"),
    )
    op.create_index("shipment_shares_by_order", "shipment_shares", ["order_number"])


def _batch_cards() -> None:
    op.create_table(
        "batch_cards",
        *_words("batch_id"),
        sa.Column("position", sa.Integer(), nullable=False),
        *_words("card_id number face_digest"),
        *_maybe("struck"),
        sa.Column("waiting", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["batch_id"], ["batches.batch_id"]),
        sa.ForeignKeyConstraint(["card_id"], ["cards.card_id"]),
        sa.PrimaryKeyConstraint("batch_id", "position"),
    )
    op.create_index("batch_cards_by_card", "batch_cards", ["card_id"])
    _once("batch_cards_one_frozen", "batch_cards", ["card_id"], where="waiting")


def _card_events() -> None:
    op.create_table(
        "card_events",
        *_words("card_id"),
        sa.Column("position", sa.Integer(), nullable=False),
        *_words("at actor what"),
        *_maybe("state_before"),
        *_words("state_after"),
        sa.Column("details", sa.Text(), nullable=False),
        *_words("previous digest"),
        sa.ForeignKeyConstraint(["card_id"], ["cards.card_id"]),
        sa.PrimaryKeyConstraint("card_id", "position"),
    )


def _chip_bindings() -> None:
    op.create_table(
        "chip_bindings",
        *_words("uid card_id"),
        sa.Column("generation", sa.Integer(), nullable=False),
        *_words("encoder bound_at"),
        sa.Column("outcome", sa.Text(), nullable=True),
        *_maybe("settled_at"),
        sa.ForeignKeyConstraint(["card_id"], ["cards.card_id"]),
        sa.PrimaryKeyConstraint("uid"),
    )
    op.create_index("chip_bindings_by_card", "chip_bindings", ["card_id"])


def _chip_faults() -> None:
    op.create_table(
        "chip_faults",
        *_words("fault_id card_id reported_at reported_by symptom"),
        *_maybe("decided_at decided_by replacement_card_id why"),
        sa.ForeignKeyConstraint(["card_id"], ["cards.card_id"]),
        sa.ForeignKeyConstraint(["replacement_card_id"], ["cards.card_id"]),
        sa.PrimaryKeyConstraint("fault_id"),
    )
    op.create_index("chip_faults_by_card", "chip_faults", ["card_id"])
    _once("chip_faults_one_replacement", "chip_faults", ["card_id"], where="replacement_card_id IS NOT NULL")


def _invoice_lines() -> None:
    op.create_table(
        "invoice_lines",
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        *_words("kind order_number"),
        *_maybe("card_id shipment_id"),
        *_amounts("net_ore"),
        sa.ForeignKeyConstraint(["card_id"], ["cards.card_id"]),
        sa.ForeignKeyConstraint(["number"], ["invoices.number"]),
        sa.ForeignKeyConstraint(["shipment_id"], ["shipments.shipment_id"]),
        sa.PrimaryKeyConstraint("number", "position"),
    )
    _once("invoice_lines_card_once", "invoice_lines", ["card_id"], where="card_id IS NOT NULL")
    _once(
        "invoice_lines_postage_once", "invoice_lines", ["shipment_id", "order_number"], where="shipment_id IS NOT NULL"
    )


def _prints() -> None:
    op.create_table(
        "prints",
        *_words("card_id"),
        sa.Column("attempt", sa.Integer(), nullable=False),
        *_words("batch_id"),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("live", sa.Boolean(), nullable=False),
        *_maybe("spoiled_cause"),
        sa.ForeignKeyConstraint(["batch_id"], ["batches.batch_id"]),
        sa.ForeignKeyConstraint(["card_id"], ["cards.card_id"]),
        sa.PrimaryKeyConstraint("card_id", "attempt"),
    )
    _once("prints_one_live", "prints", ["card_id"], where="live")


def _shipment_cards() -> None:
    op.create_table(
        "shipment_cards",
        *_words("shipment_id"),
        sa.Column("place", sa.Integer(), nullable=False),
        *_words("card_id"),
        sa.Column("live", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["card_id"], ["cards.card_id"]),
        sa.ForeignKeyConstraint(["shipment_id"], ["shipments.shipment_id"]),
        sa.PrimaryKeyConstraint("shipment_id", "place"),
    )
    op.create_index("shipment_cards_by_card", "shipment_cards", ["card_id"])
    _once("shipment_cards_one_live", "shipment_cards", ["card_id"], where="live")


TABLES = (
    _batches,
    _blank_moves,
    _blank_stock,
    _credit_notes,
    _documents,
    _effects,
    _ledger_entries,
    _number_series,
    _orders,
    _postage_charges,
    _refund_cases,
    _shipments,
    _cards,
    _invoices,
    _postage_findings,
    _refund_items,
    _shipment_shares,
    _batch_cards,
    _card_events,
    _chip_bindings,
    _chip_faults,
    _invoice_lines,
    _prints,
    _shipment_cards,
)
