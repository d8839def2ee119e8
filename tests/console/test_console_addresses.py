"""Lists of addresses checked, the official register loaded, and orders judged by it from then on."""

import json
import tracemalloc

import pytest

from tests.console.terminal import order, put

ROWS = (
    "0101\tOSLO\t0301\tOSLO\tP\r\n0184\tOSLO\t0301\tOSLO\tG\r\n5003\tBERGEN\t4601\tBERGEN\tG\r\n"
    "8392\tSØRVÅGEN\t1874\tMOSKENES\tG\r\n9991\tBÅTSFJORD\t5632\tBÅTSFJORD\tP\r\n"
)
GOOD = {"recipient": "Fjordbygg AS", "street": "Storgata 5", "postcode": 184, "city": "Oslo"}


@pytest.fixture
def register(tmp_path):
    path = tmp_path / "postnummerregister-ansi.txt"
    path.write_bytes(ROWS.encode("latin-1"))
    return path


def _check(terminal, tmp_path, *lines, register=None):
    path = tmp_path / "typed.jsonl"
    path.write_bytes(b"\n".join(line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines))
    said = terminal("addresses", "check", path, "--json", *(("--register", register) if register else ()))
    return said.code, [json.loads(line) for line in said.out.splitlines()]


def test_each_line_is_answered_and_a_broken_one_stops_nothing(terminal, tmp_path):
    code, said = _check(
        terminal, tmp_path, b"\xef\xbb\xbf" + json.dumps(GOOD).encode(), b"", b"{no", b"[1]", b"\xff", b"[" * 5000,
        b"9" * 5000, GOOD | {"recipient": "A" * 100_000}, {"city": "Oslo", "extra": 1}, b'{"recipient": "X\\ud800"}',
        GOOD | {"street": ["Storgata 5"]}, b" \r", GOOD | {"street": "Storgt. 5\r\n"},
    )  # fmt: skip
    assert code == 3
    assert [(number, *answer["reasons"]) for number, answer in enumerate(said, start=1)] == [
        (1,), (2, "empty_line"), *((number, "not_json") for number in (3, 4, 5, 6, 7)), (8, "line_too_long"),
        (9, "recipient_missing", "street_missing", "postcode_missing"),
        (10, "control_characters", "street_missing", "postcode_missing"), (11, "not_text", "street_missing"),
        (12, "empty_line"), (13,),
    ]  # fmt: skip
    assert [answer["error"]["field"] for answer in said if "error" in answer] == [f"line {n}" for n in range(3, 9)]
    assert all(answer["suggestion"] for answer in said if not answer["valid"])
    assert (said[8]["ignored"], said[10]["suggestion"]) == (["extra"], "give street as text")
    assert said[0] == {
        "valid": True,
        "key": "NO|0184|storgate5||fjordbygg as",
        "reasons": [],
        "label_lines": ["Fjordbygg AS", "Storgata 5", "0184 OSLO"],
        "suggestion": None,
    }
    assert said[-1]["key"] == said[0]["key"]


def test_a_blank_line_is_answered_and_no_failure(terminal, tmp_path):
    code, said = _check(terminal, tmp_path, GOOD, b"", GOOD, b"")
    assert (code, [answer["valid"] for answer in said]) == (0, [True, False, True])


def test_a_long_list_is_shown_in_tables_and_a_folder_is_no_list(terminal, tmp_path):
    path = tmp_path / "long.jsonl"
    path.write_text("".join(json.dumps(GOOD | {"recipient": f"Fjordbygg {n} AS"}) + "\n" for n in range(450)), "utf-8")
    shown = terminal("addresses", "check", path)
    assert (shown.out.count("on the letter"), shown.out.splitlines()[-1]) == (3, "450 lines: 450 valid, 0 to correct")
    assert terminal("addresses", "check", tmp_path).code == 3


def test_a_list_is_never_held_whole(terminal, tmp_path):
    path = tmp_path / "wide.jsonl"
    path.write_bytes((b" " * 60_000 + b"\n") * 500)
    terminal("addresses", "check", path, "--json")
    tracemalloc.start()
    said = terminal("addresses", "check", path, "--json")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (said.code, said.out.count("empty_line")) == (0, 500)
    assert peak < 3_000_000


def test_addresses_that_are_wrong_are_an_answer_and_no_failure(terminal, tmp_path):
    code, said = _check(terminal, tmp_path, {}, GOOD)
    assert (code, [answer["valid"] for answer in said]) == (0, [False, True])
    shown = terminal("addresses", "check", tmp_path / "typed.jsonl")
    assert (shown.code, "recipient_missing" in shown.words) == (0, True)
    assert shown.words.endswith("2 lines: 1 valid, 1 to correct")
    assert max(map(len, shown.out.splitlines())) <= 80
    assert terminal("addresses", "check", tmp_path / "absent", "--json").json["error"]["code"] == "file.unreadable"


def test_the_official_register_tells_boxes_from_streets(terminal, tmp_path, register):
    wrong = GOOD | {"postcode": "0101"}
    assert _check(terminal, tmp_path, wrong)[1][0]["valid"]
    assert _check(terminal, tmp_path, wrong, register=register)[1][0]["reasons"] == ["street_in_box_code"]
    rehearsed = terminal("postcodes", "import", register, "--dry-run", "--json").json
    assert _check(terminal, tmp_path, wrong)[1][0]["valid"]
    done = terminal("postcodes", "import", register, "--json").json
    assert done == rehearsed | {"dry_run": False}
    assert (done["codes"], done["changes"]["added"], len(done["changes"]["gone"]) > 5000) == (5, [], True)
    assert _check(terminal, tmp_path, wrong)[1][0]["reasons"] == ["street_in_box_code"]


def test_a_register_says_what_changed_and_a_wrong_one_changes_nothing(terminal, tmp_path, register):
    terminal("postcodes", "import", register)
    register.write_bytes((ROWS.replace("SØRVÅGEN", "Å") + "0185\tOSLO\t0301\tOSLO\tG\n").encode("latin-1"))
    changes = terminal("postcodes", "import", register, "--json").json["changes"]
    assert changes == {"added": ["0185 OSLO"], "gone": [], "renamed": ["8392 SØRVÅGEN → Å"], "recategorised": []}
    kept = (terminal.home / "postcodes-no.tsv").read_bytes()
    register.write_bytes(ROWS.encode("latin-1") + b"0184\tOSLO\t0301\tOSLO\tG\n0190\tOSLO\n0191\tOSLO\t0301\tOSLO\tX\n")
    refused = terminal("postcodes", "import", register, "--json")
    assert (refused.code, refused.json["error"]["code"], refused.json["error"]["field"]) == (
        3, "register.layout", "line 6",
    )  # fmt: skip
    assert all(f"line {number}" in refused.json["error"]["message"] for number in (6, 7, 8))
    assert (terminal.home / "postcodes-no.tsv").read_bytes() == kept


def test_the_days_intake_and_a_rekeying_use_the_register(terminal, tmp_path, register, inbox):
    address = {"recipient": "Fjordbygg AS", "street": "Storgata 5", "postcode": "0101", "city": "Oslo"}
    put(inbox, "box.json", order("B-1", photos=["face.jpg"], deliver_to=address))
    terminal("orders", "import", inbox)
    assert "held" not in terminal("orders", "show", "B-1", "--json").out
    terminal("postcodes", "import", register)
    assert terminal("addresses", "rekey", "--dry-run", "--json").json["counts"]["held"] == 1
    done = terminal("addresses", "rekey", "--json").json
    assert (done["counts"]["rekeyed"], done["counts"]["held"]) == (1, 1)
    assert set(terminal("addresses", "rekey", "--json").json["counts"]) == {"unchanged"}
    assert "street_in_box_code" in terminal("orders", "show", "B-1", "--json").out
    (terminal.home / "postcodes-no.tsv").unlink()
    assert terminal("addresses", "rekey", "--json").json["counts"]["released"] == 1
    terminal("postcodes", "import", register)
    put(inbox, "box2.json", order("B-2", photos=["face.jpg"], deliver_to=address))
    terminal("orders", "import", inbox)
    assert "street_in_box_code" in terminal("orders", "show", "B-2", "--json").out
