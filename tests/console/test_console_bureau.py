"""A small bureau run from the terminal alone: from an inbox to posted cards, put right by hand, counted and audited."""

import json
from pathlib import Path
from typing import Any

import pytest
from pypdf import PdfReader

from billing.ehf import figures
from cards.money import nok
from tests.console.terminal import PHOTOS, Terminal, order, put

EARLIER = """\
charge_id;payer_org_number;payer_name;order_number;invoice_number;shipment;posted_on;zone;weight_g;thickness_mm;cards;\
charged_net;vat;vat_percent;payment;fault_reship
E-1;310149942;Fjordbygg AS;2021-A;9001;L-1;2021-03-01;NO;17.4;1.5;1;14.40;3.60;25;;no
E-2;310149942;Fjordbygg AS;2021-B;9002;L-2;2021-03-02;NO;17.4;1.5;1;36.00;9.00;25;;no
"""


@pytest.fixture
def bureau(terminal: Terminal, inbox: Path) -> Terminal:
    """Blanks in the vault; three cards ordered, one of them for an address that does not exist."""
    (inbox / "second.jpg").write_bytes(sorted(PHOTOS.glob("*.jpg"))[1].read_bytes())
    put(inbox, "two.json", order("TWO-1", photos=["face.jpg"]))
    nowhere = {"recipient": "Fjordbygg AS", "street": "Storgata 5", "postcode": "0199", "city": "Oslo"}
    put(inbox, "lost.json", order("LOST-1", photos=["second.jpg"], deliver_to=nowhere))
    assert terminal("blanks", "receive", "--lot", "L-1", "--count", "20").code == 0
    said = terminal("orders", "import", inbox, "--json")
    assert (said.code, said.json["counts"]) == (0, {"accepted": 3, "cards": 3})
    return terminal


def _states(terminal: Terminal) -> dict[str, int]:
    counted: dict[str, int] = terminal("status", "--json").json["cards"]["by_state"]
    return {state: count for state, count in counted.items() if count}


def _card(terminal: Terminal, name: str) -> dict[str, Any]:
    card: dict[str, Any] = terminal("cards", "show", name, "--json").json["card"]
    return card


def _gross(finding: dict[str, Any]) -> int:
    gross: int = finding["refund_net_ore"] + finding["refund_vat_ore"]
    return gross


def _proved(terminal: Terminal) -> dict[str, int]:
    """The sums of the proof that are not nothing; it must be whole."""
    said = terminal("refunds", "proof", "--json").json
    assert said["whole"] is True
    return {name: ore for name, ore in said["sums"].items() if ore}


def test_a_day_from_the_terminal(bureau: Terminal) -> None:
    waits = bureau("day", "--dry-run", "--json").json["waiting"]
    assert waits["produce"]["portraits"] == {"chunks": 1, "items": 2}
    assert _states(bureau) == {"ordered": 2, "held": 1}

    said = bureau("day", "--json")
    assert said.code == 0
    assert said.json["lines"]["produce"]["portraits"] == {"pictured": 2}
    assert _states(bureau) == {"posted": 2, "held": 1}

    assert bureau("orders", "readdress", "LOST-1", "--recipient", "Fjordbygg AS", "--street", "Storgata 5",
                  "--postcode", "0184", "--city", "Oslo").code == 0  # fmt: skip
    for command in ("produce", "encode", "ship", "invoice", "reconcile", "retain", "reissue"):
        assert bureau(command).code == 0, command
    assert _states(bureau) == {"posted": 3}
    assert bureau("audit", "--json").json == {"whole": True, "violations": []}

    again = bureau("day")
    assert "nothing was changed" in again.words
    assert bureau("day", "--json").json["changed"] is False


def test_a_faulty_card_is_replaced(bureau: Terminal, tmp_path: Path) -> None:
    bureau("day")
    number = _card(bureau, "GOOD-1-1")["number"]
    file = tmp_path / "faults.txt"
    file.write_text(f"0{number}  # as the gate writes it\n\n9999999\n")
    tried = bureau("chips", "report-fault", "--file", file, "--dry-run", "--json")
    assert tried.json["counts"] == {"reported": 1, "refused": 1}
    assert _card(bureau, number)["state"] == "posted"

    said = bureau("chips", "report-fault", "--file", file, "--json")
    assert (said.code, said.json["counts"]) == (3, {"reported": 1, "refused": 1})
    assert said.json["problems"][0]["subject"] == "faults.txt:3"
    assert bureau("chips", "report-fault", number, "--json").json["counts"] == {"already_reported": 1}
    assert bureau("day").code == 0
    assert _card(bureau, number)["state"] == "blocked"
    assert _card(bureau, "GOOD-1-1R1")["state"] == "posted"
    assert bureau("audit").code == 0


def test_check_11_a_free_replacement_has_no_document_and_its_cost_is_booked_once(bureau: Terminal) -> None:
    bureau("day")
    before = bureau("ledger", "balances", "--json").json["accounts"]
    documents = len(bureau("invoices", "list", "--json").json["invoices"])
    assert bureau("chips", "report-fault", "GOOD-1-1", "--symptom", "gate 4 stays shut", "--by", "ola").code == 0
    for _ in range(2):
        assert bureau("day").code == 0
    assert _card(bureau, "GOOD-1-1R1")["state"] == "posted"
    after = bureau("ledger", "balances", "--json").json["accounts"]
    moved = {account: ore - before.get(account, 0) for account, ore in after.items() if ore != before.get(account, 0)}
    assert moved == {"4390": 3100, "1440": -3100}
    assert len(bureau("invoices", "list", "--json").json["invoices"]) == documents
    said = bureau("invoices", "free", "--json").json
    (free,) = said["free"]
    assert (free["card_id"], free["replaces"], free["cost_ore"], said["cost_ore"]) == (
        "GOOD-1-1R1",
        "GOOD-1-1",
        3100,
        3100,
    )
    assert (free["order_number"], free["line"], free["symptom"]) == ("GOOD-1", 1, "gate 4 stays shut")
    assert (free["reported_by"], free["why"]) == ("ola", "chip fault")
    assert free["decided_by"]
    assert bureau("audit", "--json").json["violations"] == []


def test_a_held_card_is_put_right(bureau: Terminal, inbox: Path) -> None:
    (inbox / "not-a-photo.jpg").write_bytes(b"nothing")
    put(inbox, "zero.json", order("ZERO-1", photos=["not-a-photo.jpg"]))
    bureau("orders", "import", inbox)
    bureau("produce")
    held = _card(bureau, "ZERO-1-1")
    assert (held["state"], held["hold"]["reason"]) == ("held", "photo")
    assert "cards correct" in bureau("cards", "show", "ZERO-1-1").words

    assert bureau("cards", "correct", "ZERO-1-1", "--json").json["error"]["code"] == "card.nothing_to_correct"
    missing = bureau("cards", "correct", "ZERO-1-1", "--photo", inbox / "gone.jpg", "--json")
    assert (missing.code, missing.json["error"]["code"]) == (3, "photo.unreadable")
    tried = bureau("cards", "correct", "ZERO-1-1", "--photo", inbox / "face.jpg", "--dry-run", "--json")
    assert tried.json["card"]["state"] == "ordered"
    assert _card(bureau, "ZERO-1-1")["state"] == "held"
    assert bureau("cards", "correct", "ZERO-1-1", "--photo", inbox / "face.jpg").code == 0
    bureau("produce")
    assert _card(bureau, "ZERO-1-1")["state"] == "printed"
    assert bureau("cards", "cancel", "ZERO-1-1", "--why", "left", "--json").json["error"]["family"] == "refused"


def test_the_journal_names_the_person(bureau: Terminal) -> None:
    bureau("cards", "cancel", "TWO-1-1", "--why", "holder left", "--by", "ola")
    events = bureau("cards", "show", "TWO-1-1", "--json").json["events"]
    assert (events[-1]["actor"], events[-1]["what"]) == ("ola", "cancelled")
    assert events[0]["actor"] == "kari"


def test_batches_close_by_two_people(bureau: Terminal) -> None:
    bureau("produce")
    early = bureau("batches", "close", "P-000001", "--witness", "bo", "--json")
    assert (early.code, early.json["error"]["code"]) == (3, "batch.not_finished")
    bureau("encode")
    assert bureau("batches", "close", "P-000001", "--witness", "Kari", "--by", "kari").code == 3
    assert bureau("batches", "close", "P-000001", "--witness", "bo", "--by", "kari", "--dry-run").code == 0
    assert bureau("batches", "list", "--json").json["batches"][0]["state"] == "printed"
    assert "2 issued = 2 good" in bureau("batches", "close", "P-000001", "--witness", "bo", "--by", "kari").words
    assert bureau("batches", "show", "P-000001", "--json").json["batch"]["state"] == "closed"
    assert bureau("blanks", "list", "--json").json["lots"]["L-1"]["vault"] == 18


def test_a_chip_is_read_by_place_and_by_uid(bureau: Terminal) -> None:
    bureau("produce")
    bureau("encode")
    card = _card(bureau, "GOOD-1-1")
    by_uid = bureau("chips", "read", "--uid", card["chip_uid"], "--json").json
    assert by_uid["reading"]["card_number"] == card["number"]
    assert by_uid["reading"]["signature_valid"] is True
    place = bureau("chips", "read", "--tray", by_uid["tray"], "--position", str(by_uid["position"]), "--json").json
    assert place == by_uid
    assert bureau("chips", "read", "--uid", "00", "--json").json["error"]["code"] == "chip.unknown_uid"
    nowhere = bureau("chips", "read", "--tray", by_uid["tray"], "--position", "99", "--json")
    assert (nowhere.code, nowhere.json["error"]["code"]) == (3, "chip.no_such_place")
    assert (
        bureau("chips", "read", "--tray", "P-9", "--position", "1", "--json").json["error"]["code"] == "batch.unknown"
    )
    assert bureau("chips", "read", "--json").json["error"]["code"] == "chip.which_chip"


def test_a_refund_takes_two_people(bureau: Terminal, tmp_path: Path) -> None:
    file = tmp_path / "earlier.csv"
    file.write_text(EARLIER)
    assert bureau("postage", "import", file, "--dry-run", "--json").json["counts"] == {"would_import": 2}
    assert bureau("postage", "import", file, "--json").json["counts"] == {"imported": 2}
    assert bureau("refunds", "find", "--dry-run", "--json").json["findings"][0]["refund_net_ore"] > 0
    (finding,) = bureau("refunds", "find", "--json").json["findings"]
    assert finding["charge"]["charge_id"] == "E-2"
    assert _proved(bureau) == {"found_ore": _gross(finding), "unproposed_ore": _gross(finding)}
    (case,) = bureau("refunds", "propose", "--by", "anna", "--json").json["cases"]
    assert _proved(bureau) == {"found_ore": case["gross_ore"], "proposed_ore": case["gross_ore"]}
    refused = bureau("refunds", "approve", case["case_id"], "--by", "Anna ", "--json")
    assert (refused.code, refused.json["error"]["code"]) == (3, "refund.same_person")
    assert bureau("refunds", "approve", case["case_id"], "--by", "bo").code == 0
    assert _proved(bureau) == {"found_ore": case["gross_ore"], "approved_ore": case["gross_ore"]}
    assert bureau("refunds", "execute", "--dry-run", "--json").json["waiting"]["refund_postage"]["credit"]["items"] == 1
    assert bureau("refunds", "execute").code == 0
    shown = bureau("refunds", "show", case["case_id"], "--json").json["case"]
    assert (shown["state"], shown["proposed_by"], shown["approved_by"]) == ("executing", "anna", "bo")
    assert _proved(bureau) == {"found_ore": case["gross_ore"], "to_pay_out_ore": case["gross_ore"]}
    assert bureau("refunds", "payouts", "list", "--json").json["waiting_ore"] == case["gross_ore"]
    paid = ("refunds", "payouts", "done", case["case_id"], "--reference", "NB-1", "--by", "kari")
    assert bureau(*paid, "--dry-run", "--json").json["reference"] == "NB-1"
    assert bureau("refunds", "payouts", "list", "--json").json["waiting_ore"] == case["gross_ore"]
    assert bureau(*paid).code == 0
    assert bureau("refunds", "payouts", "list", "--json").json["payouts"] == []
    assert "confirmed" in bureau("refunds", "list").words
    assert _proved(bureau) == {"found_ore": case["gross_ore"], "paid_out_ore": case["gross_ore"]}
    assert bureau("audit", "--json").json["violations"] == []


def test_a_refund_by_hand_has_its_evidence_in_the_statement(bureau: Terminal, tmp_path: Path) -> None:
    bureau("day")
    (tmp_path / "mail.txt").write_text("the price was agreed at 100.00")
    asked = ("refunds", "add", "--invoice", "1", "--line", "1", "--net", "4,00", "--why", "agreed price")
    asked = (*asked, "--evidence", str(tmp_path / "mail.txt"), "--by", "anna")
    assert bureau(*asked, "--dry-run", "--json").json["case"]["case_id"] == "R-000001"
    assert bureau("refunds", "list", "--json").json["cases"] == []
    case = bureau(*asked, "--json").json["case"]
    assert (case["net_ore"], case["vat_ore"], case["state"]) == (400, 100, "proposed")
    assert bureau(*asked, "--json").json["error"]["code"] == "refund.finding_taken"
    assert bureau("refunds", "approve", "R-000001", "--digest", "other", "--by", "bo").code == 3
    assert bureau("refunds", "approve", "R-000001", "--digest", case["digest"], "--by", "bo").code == 0
    assert bureau("refunds", "execute").code == 0
    said = bureau("refunds", "statement", "R-000001", "--out", tmp_path / "s.pdf", "--json").json
    (evidence,) = said["evidence"].values()
    assert evidence["document"].startswith("evidence/R-000001, SHA-256")
    text = PdfReader(tmp_path / "s.pdf").pages[0].extract_text()
    assert "agreed price" in text
    assert "Set off against invoice 1" in text
    assert _proved(bureau) == {"by_hand_ore": 500, "set_off_ore": 500}
    assert bureau("audit", "--json").json["violations"] == []


def test_roles_are_set_by_one_and_agreed_to_by_another(bureau: Terminal) -> None:
    assert "no roles are set" in bureau("doctor").words
    wanted = ("refunds", "roles", "set", "bo", "--propose", "--approve-up-to", "5 000,00", "--by", "anna")
    assert bureau(*wanted, "--dry-run").code == 0
    assert bureau("refunds", "roles", "list", "--json").json["roles"] == []
    assert bureau(*wanted, "--json").json["role"]["approve_up_to_ore"] == 500_000
    assert bureau("refunds", "roles", "agree", "bo", "--by", "anna").code == 3
    assert (
        "bo may propose, and approve up to 5 000.00 NOK"
        in bureau("refunds", "roles", "agree", "bo", "--by", "eva").words
    )
    (role,) = bureau("refunds", "roles", "list", "--json").json["roles"]
    assert (role["holds"], role["agreed_by"]) == (True, "eva")
    assert bureau("refunds", "roles", "set", "bo", "--approve-up-to", "much", "--by", "anna").code == 2
    assert "1 roles hold" in bureau("doctor").words


def test_documents_are_exported_under_their_names(bureau: Terminal, tmp_path: Path) -> None:
    bureau("day")
    listed = bureau("documents", "list", "--json").json["documents"]
    kinds = {"letter", "label", "packing_list", "manifest", "invoice", "ehf"}
    assert {document["kind"] for document in listed} == kinds
    out = tmp_path / "out"
    files = bureau("documents", "export", out, "--json").json["files"]
    assert len(files) == len(listed)
    assert (out / "letter" / "S-000001.pdf").read_bytes().startswith(b"%PDF")
    (tmp_path / "file").touch()
    blocked = bureau("documents", "export", tmp_path / "file", "--json")
    assert (blocked.code, blocked.json["error"]["code"]) == (4, "file.not_written")


def test_an_invoice_says_the_same_in_all_its_forms(bureau: Terminal, tmp_path: Path) -> None:
    bureau("day")
    said = bureau("invoices", "export", "1", "--out", tmp_path, "--json").json
    ehf = figures((tmp_path / "ehf" / "invoice" / "1.xml").read_bytes())
    text = PdfReader(tmp_path / "invoice" / "1.pdf").pages[0].extract_text()
    assert said["net_ore"] + said["vat_ore"] == said["gross_ore"] > 0
    for name in ("net", "vat", "gross"):
        assert ehf[name] == nok(said[f"{name}_ore"])
        assert ehf[name] in text
    assert (ehf["kid"], ehf["number"]) == (said["kid"], "1")
    assert said["kid"] in text
    assert set(said["documents"]) == {"invoice/1", "ehf/invoice/1"}
    assert [row["number"] for row in bureau("invoices", "list", "--json").json["invoices"]] == [1, 2]
    assert bureau("invoices", "export", "99", "--json").code == 3


def test_photos_are_judged_before_an_order(terminal: Terminal, inbox: Path, tmp_path: Path) -> None:
    said = terminal("photos", "check", inbox, "--out", tmp_path / "portraits", "--json")
    assert (said.code, [photo["verdict"] for photo in said.json]) == (0, ["accept"])
    assert (tmp_path / "portraits" / "face.jpg").read_bytes().startswith(b"\xff\xd8")
    (inbox / "none.jpg").write_bytes(b"nothing")
    bad = terminal("photos", "check", inbox)
    assert bad.code == 3
    assert "none.jpg" in bad.words


def test_doctor_knows_every_port_and_tells_no_secret(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HSECARD_SECRET", "hemmelig-hemmelig")
    said = terminal("doctor", "--json")
    assert said.code == 0
    assert {port["state"] for port in said.json["ports"].values()} == {"ok"}
    assert {"database", "blobs", "printer", "encoder", "keys", "carrier", "payments", "mail"} <= set(said.json["ports"])
    assert "hemmelig" not in said.out + terminal("doctor").out
    assert terminal("doctor", "--migrate", "--json").code == 0


def test_doctor_redacts_the_passwords_in_addresses(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HSECARD_DATABASE_URL", "postgresql+psycopg://me:hemmelig@127.0.0.1:1/db")
    said = terminal("doctor", "--json")
    assert said.code == 4
    assert said.json["problems"][0]["family"] == "unavailable"
    assert "hemmelig" not in said.out + said.err


def test_every_answer_in_words_fits_80_columns(bureau: Terminal) -> None:
    bureau("day")
    looks = ["status", "audit", "cards find Holm", "cards show GOOD-1-1", "batches list", "batches show P-000001",
             "blanks list", "orders show LOST-1", "documents list", "doctor", "refunds list", "refunds proof",
             "refunds roles list", "refunds payouts list --all", "invoices free",
             "invoices list", "invoices export 1"]  # fmt: skip
    for look in looks:
        said = bureau(*look.split())
        assert said.code == 0, look
        assert said.out.strip(), look
        assert [row for row in said.out.splitlines() if len(row) > 80] == [], look


def test_an_audit_with_violations_is_seven(bureau: Terminal) -> None:
    bureau("day")
    for blob in (bureau.home / "blobs" / "invoice").iterdir():
        blob.unlink()
    said = bureau("audit", "--json")
    assert said.code == 7
    assert said.json["whole"] is False
    assert json.dumps(said.json["violations"]).count("invoice")
    assert bureau("audit").code == 7
