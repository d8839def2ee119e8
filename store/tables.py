"""Every table of the house on one page. The migrations build them; a test holds the two against each other.

Uniqueness that the business lives by stands here as a unique index, most of them partial: one live print a card, one
live shipment a card, one invoice line a card, one live case a finding. Amounts are whole øre in BIGINT.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    text,
)

from store.columns import Instant, Json, Word

metadata = MetaData()


def _once(name: str, *columns: str, where: str | None = None) -> Index:
    """A unique index, over the rows of `where` only when it is given."""
    if where is None:
        return Index(name, *columns, unique=True)
    return Index(name, *columns, unique=True, sqlite_where=text(where), postgresql_where=text(where))


orders = Table(
    "orders",
    metadata,
    Column("order_number", Word, primary_key=True),
    Column("digest", Word, nullable=False),
    Column("document_key", Word, nullable=False),
    Column("received_at", Instant, nullable=False),
    Column("ordered_at", Instant, nullable=False),
    Column("approved_at", Instant, nullable=False),
    Column("org_number", Word, nullable=False),
    Column("card_kind", Word, nullable=False),
    Column("ordered_by", Json, nullable=False),
    Column("business", Json, nullable=False),
    Column("unit", Json),
    Column("deliver_to", Json, nullable=False),
    Column("address_key", Word, nullable=False),
    Column("address_valid", Boolean, nullable=False),
    Column("address_reasons", Json, nullable=False),
    Column("address_suggestion", Word),
    Column("label_lines", Json, nullable=False),
    Column("rule_version", Integer, nullable=False),
    Index("orders_by_business", "org_number", "received_at"),
    Index("orders_by_address", "address_key", "order_number"),
)

cards = Table(
    "cards",
    metadata,
    Column("card_id", Word, primary_key=True),
    Column("order_number", Word, ForeignKey("orders.order_number"), nullable=False),
    Column("line", Integer, nullable=False),
    Column("number", Word, nullable=False),
    Column("kind", Word, nullable=False),
    Column("given_name", Word, nullable=False),
    Column("family_name", Word, nullable=False),
    Column("search_name", Word, nullable=False),  # case-folded: SQLite folds ASCII only
    Column("birth_date", Date, nullable=False),
    Column("head_covering", Boolean, nullable=False),
    Column("photo", Word),
    Column("portrait", Word),
    Column("issued_on", Date),
    Column("valid_until", Date),
    Column("design", Word),
    Column("state", Word, nullable=False),
    Column("hold_reason", Word),
    Column("hold_detail", Word),
    Column("hold_field", Word),
    Column("hold_fix", Word),
    Column("resumes_in", Word),
    Column("replaces", Word),
    Column("replaced_by", Word),
    Column("batch_id", Word),
    Column("shipment_id", Word),
    Column("chip_uid", Word),
    CheckConstraint(
        "(state = 'held') = (hold_reason IS NOT NULL) AND (state = 'held') = (resumes_in IS NOT NULL)",
        name="cards_held_with_reason",
    ),
    _once("cards_number_once", "number"),
    Index("cards_by_replaced", "replaces"),
    Index("cards_by_state", "state", "card_id"),
    Index("cards_by_order", "order_number", "line"),
    Index("cards_by_photo", "photo"),
    Index("cards_by_portrait", "portrait"),
    Index("cards_by_batch", "batch_id"),
)

card_events = Table(
    "card_events",
    metadata,
    Column("card_id", Word, ForeignKey("cards.card_id"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("at", Instant, nullable=False),
    Column("actor", Word, nullable=False),
    Column("what", Word, nullable=False),
    Column("state_before", Word),
    Column("state_after", Word, nullable=False),
    Column("details", Json, nullable=False),
    Column("previous", Word, nullable=False),
    Column("digest", Word, nullable=False),
)

effects = Table(
    "effects",
    metadata,
    Column("key", Word, primary_key=True),
    Column("kind", Word, nullable=False),
    Column("subject", Word, nullable=False),
    Column("request", Json, nullable=False),
    Column("digest", Word, nullable=False),
    Column("state", Word, nullable=False),
    Column("planned_at", Instant, nullable=False),
    Column("sent_at", Instant),
    Column("settled_at", Instant),
    Column("answer", Json),
    Column("attempts", Integer, nullable=False),
    Index("effects_by_state", "state", "kind"),
    Index("effects_by_subject", "subject", "kind"),
)

number_series = Table(
    "number_series",
    metadata,
    Column("name", Word, primary_key=True),
    Column("last", BigInteger, nullable=False),
)

documents = Table(
    "documents",
    metadata,
    Column("document_id", Word, primary_key=True),
    Column("kind", Word, nullable=False),
    Column("subject", Word, nullable=False),
    Column("blob_key", Word, nullable=False),
    Column("sha256", Word, nullable=False),
    Column("size", BigInteger, nullable=False),
    Index("documents_by_subject", "subject"),
)

batches = Table(
    "batches",
    metadata,
    Column("batch_id", Word, primary_key=True),
    Column("frozen_at", Instant, nullable=False),
    Column("frozen_by", Word, nullable=False),
    Column("state", Word, nullable=False),
    Column("lot", Word, nullable=False),
    Column("digest", Word, nullable=False),
    Column("print_file", Word),
    Column("run_sheet", Word),
    Column("contact_sheet", Word),
    Column("issued", Integer),
    Column("good", Integer),
    Column("spoiled", Integer),
    Column("returned", Integer),
    Column("counted_by", Word),
    Column("witnessed_by", Word),
    Column("closed_at", Instant),
    CheckConstraint("counted_by <> witnessed_by", name="batches_two_people"),
    CheckConstraint("(state = 'closed') = (counted_by IS NOT NULL)", name="batches_closed_when_counted"),
    Index("batches_by_state", "state", "batch_id"),
)

batch_cards = Table(
    "batch_cards",
    metadata,
    Column("batch_id", Word, ForeignKey("batches.batch_id"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("card_id", Word, ForeignKey("cards.card_id"), nullable=False),
    Column("number", Word, nullable=False),
    Column("face_digest", Word, nullable=False),
    Column("struck", Word),
    Column("waiting", Boolean, nullable=False),  # in a frozen batch and not struck
    Index("batch_cards_by_card", "card_id"),
    _once("batch_cards_one_frozen", "card_id", where="waiting"),
)

prints = Table(
    "prints",
    metadata,
    Column("card_id", Word, ForeignKey("cards.card_id"), primary_key=True),
    Column("attempt", Integer, primary_key=True),
    Column("batch_id", Word, ForeignKey("batches.batch_id"), nullable=False),
    Column("position", Integer, nullable=False),
    Column("live", Boolean, nullable=False),
    Column("spoiled_cause", Word),
    Column("outcome", Word),
    Column("outcome_by", Word),
    Column("outcome_at", Instant),
    _once("prints_one_live", "card_id", where="live"),
)

print_jobs = Table(
    "print_jobs",
    metadata,
    Column("key", Word, primary_key=True),
    Column("batch_id", Word, ForeignKey("batches.batch_id"), nullable=False),
    Column("asked_at", Instant, nullable=False),
    Column("state", Word, nullable=False),
    Column("reference", Word),
    Column("reason", Word),
    Column("seen_at", Instant),
    _once("print_jobs_one_a_batch", "batch_id"),
    Index("print_jobs_by_state", "state", "batch_id"),
)

blank_moves = Table(
    "blank_moves",
    metadata,
    Column("move_key", Word, primary_key=True),
    Column("at", Instant, nullable=False),
    Column("actor", Word, nullable=False),
    Column("lot", Word, nullable=False),
    Column("source", Word, nullable=False),
    Column("target", Word, nullable=False),
    Column("count", Integer, nullable=False),
    Column("batch_id", Word),
    Column("card_id", Word),
    Column("cause", Word),
    CheckConstraint("count > 0", name="blank_moves_something"),
    CheckConstraint("source <> target", name="blank_moves_somewhere"),
    Index("blank_moves_by_batch", "batch_id"),
)

blank_stock = Table(
    "blank_stock",
    metadata,
    Column("lot", Word, primary_key=True),
    Column("account", Word, primary_key=True),
    Column("count", BigInteger, nullable=False),
    CheckConstraint("count >= 0 OR account = 'supplier'", name="blank_stock_never_short"),
)

chip_bindings = Table(
    "chip_bindings",
    metadata,
    Column("uid", Word, primary_key=True),
    Column("card_id", Word, ForeignKey("cards.card_id"), nullable=False),
    Column("generation", Integer, nullable=False),
    Column("encoder", Word, nullable=False),
    Column("bound_at", Instant, nullable=False),
    Column("outcome", Json),
    Column("settled_at", Instant),
    Index("chip_bindings_by_card", "card_id"),
)

fault_reports = Table(
    "fault_reports",
    metadata,
    Column("report_id", Word, primary_key=True),
    Column("report_key", Word),  # given by whoever reports: the same report twice is one
    Column("digest", Word, nullable=False),
    Column("channel", Word, nullable=False),
    Column("reported_at", Instant, nullable=False),
    Column("reported_by", Word, nullable=False),
    Column("symptom", Word, nullable=False),
    Column("cohort", Json),  # set when cards were recalled by what they have in common, not seen to fail
    Column("answer", Json, nullable=False),
    _once("fault_reports_key_once", "report_key", where="report_key IS NOT NULL"),
)

chip_faults = Table(
    "chip_faults",
    metadata,
    Column("fault_id", Word, primary_key=True),
    Column("card_id", Word, ForeignKey("cards.card_id"), nullable=False),
    Column("reported_at", Instant, nullable=False),
    Column("reported_by", Word, nullable=False),
    Column("symptom", Word, nullable=False),
    Column("decided_at", Instant),
    Column("decided_by", Word),
    Column("replacement_card_id", Word, ForeignKey("cards.card_id")),
    Column("why", Word),
    Column("report_id", Word, ForeignKey("fault_reports.report_id")),
    Index("chip_faults_by_card", "card_id"),
    Index("chip_faults_by_report", "report_id"),
    _once("chip_faults_one_replacement", "card_id", where="replacement_card_id IS NOT NULL"),
    _once("chip_faults_one_fault", "replacement_card_id", where="replacement_card_id IS NOT NULL"),
)

shipments = Table(
    "shipments",
    metadata,
    Column("shipment_id", Word, primary_key=True),
    Column("number", BigInteger, nullable=False),
    Column("address_key", Word, nullable=False),
    Column("address", Json, nullable=False),
    Column("label_lines", Json, nullable=False),
    Column("weight_g", Float(53), nullable=False),
    Column("thickness_mm", Float(53), nullable=False),
    Column("product", Word, nullable=False),
    Column("tariff", Word, nullable=False),
    Column("postage_net_ore", BigInteger, nullable=False),
    Column("vat_percent", Integer, nullable=False),
    Column("state", Word, nullable=False),
    Column("planned_on", Date, nullable=False),
    Column("posted_at", Instant),
    Column("booking", Word),
    Column("manifest_id", Word),
    CheckConstraint("(state = 'posted') = (booking IS NOT NULL)", name="shipments_posted_when_booked"),
    _once("shipments_number_once", "number"),
    Index("shipments_by_state", "state", "shipment_id"),
    Index("shipments_by_manifest", "manifest_id"),
    Index("shipments_by_booking", "booking"),
)

shipment_cards = Table(
    "shipment_cards",
    metadata,
    Column("shipment_id", Word, ForeignKey("shipments.shipment_id"), primary_key=True),
    Column("place", Integer, primary_key=True),
    Column("card_id", Word, ForeignKey("cards.card_id"), nullable=False),
    Column("live", Boolean, nullable=False),
    Index("shipment_cards_by_card", "card_id"),
    _once("shipment_cards_one_live", "card_id", where="live"),
)

shipment_shares = Table(
    "shipment_shares",
    metadata,
    Column("shipment_id", Word, ForeignKey("shipments.shipment_id"), primary_key=True),
    Column("order_number", Word, ForeignKey("orders.order_number"), primary_key=True),
    Column("place", Integer, nullable=False),
    Column("net_ore", BigInteger, nullable=False),
    Index("shipment_shares_by_order", "order_number"),
)

postage_charges = Table(
    "postage_charges",
    metadata,
    Column("charge_id", Word, primary_key=True),
    Column("origin", Word, nullable=False),
    Column("payer_org_number", Word, nullable=False),
    Column("order_number", Word, nullable=False),
    Column("invoice_number", Word, nullable=False),
    Column("shipment", Word, nullable=False),
    Column("posted_on", Date),
    Column("charged_net_ore", BigInteger, nullable=False),
    Column("vat_ore", BigInteger, nullable=False),
    Column("content", Json, nullable=False),
    Index("postage_charges_by_day", "posted_on"),
    Index("postage_charges_by_letter", "origin", "shipment", "charge_id"),
)

postage_findings = Table(
    "postage_findings",
    metadata,
    Column("finding_id", Word, primary_key=True),
    Column("charge_id", Word, ForeignKey("postage_charges.charge_id"), nullable=False),
    Column("kind", Word, nullable=False),
    Column("due_net_ore", BigInteger),
    Column("refund_net_ore", BigInteger, nullable=False),
    Column("refund_vat_ore", BigInteger, nullable=False),
    Column("evidence", Json, nullable=False),
    CheckConstraint("refund_net_ore >= 0 AND refund_vat_ore >= 0", name="postage_findings_give_back"),
    Index("postage_findings_by_charge", "charge_id"),
)

invoices = Table(
    "invoices",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("kid", Word, nullable=False),
    Column("issued_on", Date, nullable=False),
    Column("order_number", Word, ForeignKey("orders.order_number"), nullable=False),
    Column("net_ore", BigInteger, nullable=False),
    Column("vat_ore", BigInteger, nullable=False),
    Column("gross_ore", BigInteger, nullable=False),
    Column("content", Json, nullable=False),
    CheckConstraint("gross_ore = net_ore + vat_ore", name="invoices_add_up"),
    _once("invoices_kid_once", "kid"),
    Index("invoices_by_order", "order_number"),
)

invoice_lines = Table(
    "invoice_lines",
    metadata,
    Column("number", BigInteger, ForeignKey("invoices.number"), primary_key=True, autoincrement=False),
    Column("position", Integer, primary_key=True),
    Column("kind", Word, nullable=False),
    Column("order_number", Word, nullable=False),
    Column("card_id", Word, ForeignKey("cards.card_id")),
    Column("shipment_id", Word, ForeignKey("shipments.shipment_id")),
    Column("net_ore", BigInteger, nullable=False),
    _once("invoice_lines_card_once", "card_id", where="card_id IS NOT NULL"),
    _once("invoice_lines_postage_once", "shipment_id", "order_number", where="shipment_id IS NOT NULL"),
    Index("invoice_lines_by_order", "order_number", "number"),
)

credit_notes = Table(
    "credit_notes",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("issued_on", Date, nullable=False),
    Column("case_id", Word, nullable=False),
    Column("net_ore", BigInteger, nullable=False),
    Column("vat_ore", BigInteger, nullable=False),
    Column("gross_ore", BigInteger, nullable=False),
    Column("content", Json, nullable=False),
    CheckConstraint("gross_ore = net_ore + vat_ore", name="credit_notes_add_up"),
    _once("credit_notes_case_once", "case_id"),
)

ledger_entries = Table(
    "ledger_entries",
    metadata,
    Column("posting", Word, primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("booked_on", Date, nullable=False),
    Column("account", Word, nullable=False),
    Column("amount_ore", BigInteger, nullable=False),
    Column("document", Word, nullable=False),
    Column("vat_code", Word),
    Column("text", Word, nullable=False),
    Column("dated_on", Date),  # the document's own day, when its month was locked and it is booked later
    Column("entered_at", Instant),
    Index("ledger_by_account", "account"),
    Index("ledger_by_document", "document"),
)

refund_cases = Table(
    "refund_cases",
    metadata,
    Column("case_id", Word, primary_key=True),
    Column("payer_org_number", Word, nullable=False),
    Column("payer_name", Word, nullable=False),
    Column("net_ore", BigInteger, nullable=False),
    Column("vat_ore", BigInteger, nullable=False),
    Column("gross_ore", BigInteger, nullable=False),
    Column("digest", Word, nullable=False),
    Column("state", Word, nullable=False),
    Column("proposed_by", Word, nullable=False),
    Column("proposer", Word, nullable=False),  # case-folded and trimmed, so that "Kari " is Kari
    Column("proposed_at", Instant, nullable=False),
    Column("approved_by", Word),
    Column("approver", Word),
    Column("approved_at", Instant),
    Column("rejected_by", Word),
    Column("rejected_at", Instant),
    Column("credit_note", BigInteger),
    CheckConstraint("approved_by <> proposed_by AND approver <> proposer", name="refund_cases_two_people"),
    CheckConstraint("gross_ore = net_ore + vat_ore", name="refund_cases_add_up"),
    CheckConstraint(
        "state IN ('proposed', 'rejected') OR (approved_by IS NOT NULL AND approved_at IS NOT NULL)",
        name="refund_cases_approved_first",
    ),
    Index("refund_cases_by_state", "state", "case_id"),
)

refund_items = Table(
    "refund_items",
    metadata,
    Column("case_id", Word, ForeignKey("refund_cases.case_id"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("finding_id", Word, nullable=False),
    Column("net_ore", BigInteger, nullable=False),
    Column("vat_ore", BigInteger, nullable=False),
    Column("content", Json, nullable=False),
    Column("live", Boolean, nullable=False),
    Column("invoice_number", Word),  # as printed there; ours or one of before this system
    Index("refund_items_by_invoice", "invoice_number", "case_id"),
    _once("refund_items_finding_once", "finding_id", where="live"),
)

APPEND_ONLY = ("card_events", "invoices", "invoice_lines", "credit_notes", "ledger_entries", "blank_moves")
"""Tables whose rows never change or go: triggers on both databases raise."""
