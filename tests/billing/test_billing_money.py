"""Money: what an invoice, its credit notes and the ledger say agrees to the øre, whatever the amounts."""

from datetime import UTC, date, datetime
from fractions import Fraction

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from billing.credit_notes import issue_credit_note
from billing.invoices import issue
from billing.ledger import (
    REFUNDS_PAYABLE,
    VAT_OUTPUT,
    balanced,
    entries_of_credit_note,
    entries_of_invoice,
    entries_of_payment,
    entries_of_refund,
    entries_of_replacement,
    entries_of_set_off,
)
from billing.models import Buyer, CreditNote, Delivered, Invoice, Refund, RefundCase, RefundItem, Seller
from billing.refunds import approve, case_digest, confirm, propose, reject, start
from cards.address import Address
from cards.errors import Refused

AT = datetime(2026, 11, 23, 20, tzinfo=UTC)
OSLO = Address(recipient="Fjordbygg AS", street="Storgata 5", postcode="0184", city="Oslo")
SELLER = Seller(name="Kortutsteder AS", org_number="314159268", bank_account="86011117947", address=OSLO)
BUYER = Buyer(name="Fjordbygg AS", org_number="310149942", address=OSLO, email="f@bygg.example", e_invoice=True)
SLOW = [HealthCheck.too_slow]
MANY = settings(max_examples=5000, deadline=None, suppress_health_check=SLOW)
SPLITS = settings(max_examples=600, deadline=None, suppress_health_check=SLOW)


def an_invoice(*, cards: int = 0, postage: tuple[int, ...] = (), number: int = 7, postcode: str = "0184") -> Invoice:
    return issue(
        number=number,
        issued_on=date(2020, 11, 23),
        seller=SELLER,
        buyer=BUYER,
        deliveries=[
            Delivered(
                order_number="B-2020-000417",
                delivered_on=date(2020, 11, 20),
                address=OSLO.model_copy(update={"postcode": postcode}),
                cards=[(f"B-2020-000417-{line}", "construction") for line in range(1, cards + 1)],
                postage=[(f"S-{place}", net) for place, net in enumerate(postage)],
            )
        ],
    )


def an_item(net: int, vat: int, *, finding: str = "F-1", invoice: str = "901", percent: int = 25) -> RefundItem:
    return RefundItem(
        finding_id=finding,
        invoice_number=invoice,
        payment="pi_1",
        text="Porto",
        net_ore=net,
        vat_ore=vat,
        vat_percent=percent,
    )


def a_case(
    *items: RefundItem, originals: tuple[Invoice, ...] = (), earlier: tuple[CreditNote, ...] = (), case_id: str = "R-1"
) -> RefundCase:
    return propose(
        case_id=case_id,
        payer_org_number=BUYER.org_number,
        payer_name=BUYER.name,
        items=items,
        by="kari",
        at=AT,
        originals=originals,
        earlier_credits=earlier,
    )


def a_note(
    case: RefundCase, *, original: Invoice | None = None, earlier: tuple[CreditNote, ...] = (), number: int = 1
) -> CreditNote:
    return issue_credit_note(
        number=number,
        issued_on=date(2026, 11, 23),
        case=approve(case, by="ola", at=AT),
        seller=SELLER,
        buyer=BUYER,
        original=original,
        earlier_credits=earlier,
    )


def half_up(net: int, percent: int) -> int:
    """The rule by exact fractions, apart from the code under test."""
    exact = Fraction(net * percent, 100)
    return int(exact + Fraction(1, 2))  # int floors what is not negative


@pytest.mark.parametrize(
    ("cards", "postage", "figures"),
    [
        (3, (5200,), (36400, 9100, 45500)),
        (1, (), (10400, 2600, 13000)),
        (0, (3333,), (3333, 833, 4166)),
        (0, (34811, 34811), (69622, 17406, 87028)),  # EN16931#143: 174.055 goes up, and once for the group
    ],
)
def test_check_16_vectors(cards: int, postage: tuple[int, ...], figures: tuple[int, int, int]) -> None:
    invoice = an_invoice(cards=cards, postage=postage)
    assert (invoice.net_ore, invoice.vat_ore, invoice.gross_ore) == figures


def test_check_16_a_postage_refund_carries_its_vat() -> None:
    note = a_note(a_case(an_item(5200, 1300)))
    assert (note.net_ore, note.vat_ore, note.gross_ore) == (5200, 1300, 6500)


@MANY
@given(cards=st.integers(0, 5), postage=st.lists(st.integers(0, 200_000), max_size=6))
def test_check_2_invoice_adds_up_and_its_posting_balances(cards: int, postage: list[int]) -> None:
    assume(cards or postage)
    invoice = an_invoice(cards=cards, postage=tuple(postage))
    assert sum(line.net_ore for line in invoice.lines) == invoice.net_ore == 10400 * cards + sum(postage)
    assert invoice.vat_ore == half_up(invoice.net_ore, 25)
    assert invoice.gross_ore == invoice.net_ore + invoice.vat_ore
    entries = entries_of_invoice(invoice)
    assert balanced(entries)
    assert sum(e.amount_ore for e in entries if e.account == VAT_OUTPUT) == -invoice.vat_ore


@MANY
@given(nets=st.lists(st.integers(1, 100_000), min_size=1, max_size=12), data=st.data())
def test_case_note_money_and_ledger_say_the_same(nets: list[int], data: st.DataObject) -> None:
    """Each finding has the VAT of its own charge; the note states VAT on the sum; what is paid back is neither more."""
    items = [an_item(net, half_up(net, 25), finding=f"F-{n}", invoice=f"9{n}") for n, net in enumerate(nets)]
    case = a_case(*items)
    note = a_note(case)
    assert case.net_ore == note.net_ore == sum(nets)
    assert case.vat_ore == note.vat_ore == half_up(sum(nets), 25)
    assert sum(item.net_ore + item.vat_ore for item in case.items) == note.gross_ore
    assert all(abs(item.vat_ore - half_up(item.net_ore, 25)) <= 1 for item in case.items)
    cut = data.draw(st.integers(0, note.gross_ore))
    refund = Refund(key="k", reference="re", payment="pi_1", amount_ore=cut)
    entries = (
        *entries_of_credit_note(note),
        *entries_of_refund(refund, booked_on=note.issued_on, document="credit_note/1"),
        *entries_of_set_off(note, amount_ore=note.gross_ore - cut, invoice=7, booked_on=note.issued_on),
    )
    assert balanced(entries)
    assert sum(e.amount_ore for e in entries if e.account == REFUNDS_PAYABLE) == 0


@SPLITS
@given(postage=st.lists(st.integers(1, 400), min_size=1, max_size=3), data=st.data())
def test_credits_in_any_split_end_at_exactly_the_invoice(postage: list[int], data: st.DataObject) -> None:
    invoice = an_invoice(postage=tuple(postage))
    left, notes = invoice.net_ore, ()
    while left:
        net = data.draw(st.integers(1, left))
        item = an_item(net, half_up(net, 25), finding=f"F-{len(notes)}", invoice=str(invoice.number))
        try:
            case = a_case(item, originals=(invoice,), earlier=notes, case_id=f"R-{len(notes)}")
        except Refused as nothing:
            pytest.fail(f"credit of what is left was refused: {nothing}")
        note = a_note(case, original=invoice, earlier=notes, number=len(notes) + 1)
        notes = (*notes, note)
        left -= net
        assert sum(n.vat_ore for n in notes) <= invoice.vat_ore
        assert sum(n.gross_ore for n in notes) <= invoice.gross_ore
    assert sum(n.net_ore for n in notes) == invoice.net_ore
    assert sum(n.vat_ore for n in notes) == invoice.vat_ore
    with pytest.raises(Refused, match=r"credit\.above_invoice"):
        a_case(an_item(1, 0, invoice=str(invoice.number)), originals=(invoice,), earlier=notes)


def test_nothing_is_credited_above_the_invoice() -> None:
    invoice = an_invoice(cards=1)
    case = a_case(an_item(10401, 2600, invoice="7"))
    with pytest.raises(Refused, match=r"credit\.above_invoice"):
        a_note(case, original=invoice)
    with pytest.raises(Refused, match=r"credit\.unknown_line"):
        a_note(a_case(an_item(100, 0, invoice="7", percent=0)), original=invoice)


def test_a_remainder_that_nobody_approved_is_not_credited() -> None:
    """Two halves of 2.02 are 0.25 + 0.25 of 0.51 VAT: the closing øre must be approved, not slipped in."""
    invoice = an_invoice(postage=(101, 101))
    assert invoice.vat_ore == 51
    first = a_note(a_case(an_item(101, 25, invoice="7"), originals=(invoice,)), original=invoice)
    blind = a_case(an_item(101, 25, finding="F-2", invoice="7"), case_id="R-2")
    with pytest.raises(Refused, match=r"credit\.remainder"):
        a_note(blind, original=invoice, earlier=(first,))
    seeing = a_case(an_item(101, 25, finding="F-2", invoice="7"), originals=(invoice,), earlier=(first,))
    assert a_note(seeing, original=invoice, earlier=(first,)).vat_ore == 26


def test_wrong_vat_alone_is_given_back_as_it_was_charged() -> None:
    note = a_note(a_case(an_item(0, 200), an_item(3333, 833, finding="F-2")))
    assert (note.net_ore, note.vat_ore) == (3333, 833 + 200)


def test_what_was_charged_without_vat_is_outside_the_area() -> None:
    note = a_note(a_case(an_item(5200, 0, percent=0)))
    assert [(line.category, line.percent, line.saft_code, line.vat_ore) for line in note.vat] == [("G", 0, "52", 0)]


# --- four eyes --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("proposer", "by"), [("kari", "kari"), ("kari", " KARI "), ("Kari  Moen", "kari moen"), ("p\u00e5l", "Pa\u030al")]
)
def test_nobody_approves_their_own_case(proposer: str, by: str) -> None:
    case = a_case(an_item(5200, 1300)).model_copy(update={"proposed_by": proposer})
    with pytest.raises(Refused) as fault:
        approve(case, by=by, at=AT)
    assert fault.value.code == "refund.same_person"


def test_an_approval_falls_when_payer_or_amounts_change() -> None:
    case = a_case(an_item(5200, 1300))
    dearer = an_item(5201, 1300)
    swapped = an_item(5199, 1301)  # same gross
    for changed in (
        {"payer_org_number": SELLER.org_number},
        {"items": (dearer,)},
        {"items": (dearer,), "net_ore": 5201, "gross_ore": 6501},
        {"items": (swapped,)},
        {"gross_ore": 6501},
    ):
        with pytest.raises(Refused) as fault:
            approve(case.model_copy(update=changed), by="ola", at=AT)
        assert fault.value.code == "refund.changed", changed
    with pytest.raises(Refused, match=r"refund\.changed"):
        start(approve(case, by="ola", at=AT).model_copy(update={"items": (dearer,)}))


def test_a_case_goes_one_way() -> None:
    case = a_case(an_item(5200, 1300))
    approved = approve(case, by="Ola", at=AT)
    done = confirm(start(approved), 17)
    assert (done.approved_by, done.credit_note, str(done.state)) == ("Ola", 17, "confirmed")
    for wrong in (lambda: approve(approved, by="per", at=AT), lambda: start(case), lambda: confirm(approved, 1)):
        with pytest.raises(Refused) as fault:
            wrong()
        assert fault.value.code == "refund.wrong_state"
    with pytest.raises(Refused, match=r"refund\.wrong_state"):
        reject(done, by="per", at=AT)
    assert reject(approved, by="per", at=AT).rejected_by == "per"


def test_no_credit_note_without_approval_or_for_another_payer() -> None:
    case = a_case(an_item(5200, 1300))
    parties = {"number": 1, "issued_on": date(2026, 11, 23), "seller": SELLER}
    with pytest.raises(Refused, match=r"credit\.not_approved"):
        issue_credit_note(**parties, case=case, buyer=BUYER)
    other = BUYER.model_copy(update={"org_number": SELLER.org_number})
    with pytest.raises(Refused, match=r"credit\.other_payer"):
        issue_credit_note(**parties, case=approve(case, by="ola", at=AT), buyer=other)


def test_digest_is_of_content_not_of_order() -> None:
    one, two = an_item(1, 0), an_item(2, 1, finding="F-2")
    assert case_digest("310149942", [one, two]) == case_digest("310149942", [two, one])
    assert case_digest("310149942", [one, two]) != case_digest("314159268", [one, two])


@pytest.mark.parametrize(
    ("items", "code"),
    [
        ([], "refund.empty"),
        ([an_item(0, 0)], "refund.empty"),
        ([an_item(-5, 0)], "refund.negative"),
        ([an_item(5, 1), an_item(6, 2)], "refund.item_twice"),
    ],
)
def test_a_case_of_nothing_or_nonsense_is_refused(items: list[RefundItem], code: str) -> None:
    with pytest.raises(Refused) as fault:
        a_case(*items)
    assert fault.value.code == code


# --- ledger -----------------------------------------------------------------------------------------------------


def test_invoice_posting_names_accounts_and_tax_codes() -> None:
    entries = entries_of_invoice(an_invoice(cards=2, postage=(5200,)))
    assert [(e.account, e.amount_ore, e.vat_code) for e in entries] == [
        ("1500", 32500, None),
        ("3000.construction", -20800, "3"),
        ("3000.postage", -5200, "3"),
        ("2700", -6500, "3"),
    ]
    assert {(e.posting, e.document) for e in entries} == {("invoice:7", "invoice/7")}


def test_svalbard_is_booked_without_vat() -> None:
    entries = entries_of_invoice(an_invoice(cards=1, postcode="9170"))
    assert [(e.account, e.amount_ore, e.vat_code) for e in entries] == [
        ("1500", 10400, None),
        ("3100.construction", -10400, "52"),
    ]


def test_a_free_replacement_is_a_cost_and_no_sale() -> None:
    entries = entries_of_replacement("B-1-1", kind="cleaning", cost_ore=3100, booked_on=date(2026, 11, 23))
    assert balanced(entries)
    assert not any(e.account.startswith(("3", "27", "15")) for e in entries)


def test_balanced_sees_a_missing_side_and_a_doubled_one() -> None:
    entries = entries_of_payment("pi_1", amount_ore=100, booked_on=date(2026, 1, 1), document="invoice/7")
    assert balanced(entries)
    assert not balanced(entries[:1])
    assert not balanced((*entries, *entries))


def test_set_off_above_the_note_is_refused() -> None:
    with pytest.raises(Refused, match=r"ledger\.above_document"):
        entries_of_set_off(a_note(a_case(an_item(5200, 1300))), amount_ore=6501, invoice=7, booked_on=date(2026, 1, 1))


def test_a_document_that_contradicts_itself_is_not_booked() -> None:
    broken = an_invoice(cards=1).model_copy(update={"gross_ore": 1})
    with pytest.raises(Refused, match=r"ledger\.unbalanced"):
        entries_of_invoice(broken)
