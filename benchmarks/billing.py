"""Invoices issued, drawn and audited, each beside a bare floor.

The floor of issuing takes a number from its counter and writes the same rows in one transaction, and asks nothing: not
what was delivered, at which price, whether it was invoiced before. The floor of drawing sets the same words with
reportlab and builds as many elements with lxml. The floor of the audit is a sum a table. PostgreSQL runs here without
waiting for the disk, SQLite waits.
"""

import io
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

from lxml import etree
from pypdf import PdfReader
from reportlab.lib.pagesizes import A4
from reportlab.pdfgen.canvas import Canvas
from sqlalchemy import create_engine, event, insert, text

from benchmarks.posted import BUSINESS, POSTED_AT, fill
from billing.documents import invoice_pdf
from billing.ehf import invoice_xml
from billing.invoices import issue
from billing.ledger import entries_of_invoice
from billing.models import Delivered, Invoice
from cards.adapters.system import SystemClock
from cards.orders import Business
from flows.house import open_house
from flows.settings import Settings
from flows.stages.invoice import INVOICE, buyer_of
from flows.stages.line import work_on
from store import rules_of_money
from store.blobs import FolderBlobs
from store.database import migrate, open_store
from store.tables import invoice_lines, invoices, ledger_entries
from tests.servers import running_postgres

WRITERS, ORDERS, CARDS = 8, 801, 2
DRAWN = 300
AUDITED = 62_500  # invoices; with three lines and four entries each, half a million rows
DAY = date(2026, 11, 23)
_FLOOR = (
    "INSERT INTO bare_invoices VALUES (:number, :content)",
    "INSERT INTO bare_lines VALUES (:number, :position, :net)",
    "INSERT INTO bare_entries VALUES (:number, :position, :net)",
)


def main() -> None:
    with running_postgres() as postgres, tempfile.TemporaryDirectory() as folder:
        sqlite = f"sqlite:///{folder}/hsecard.sqlite"
        migrate(sqlite)
        for name, url in (("SQLite", sqlite), ("PostgreSQL", postgres.new_database())):
            _issuing(name, url, Path(folder) / name)
        _drawing()
        for name, url in (("SQLite", f"sqlite:///{folder}/audit.sqlite"), ("PostgreSQL", postgres.new_database())):
            migrate(url)
            _fill_invoices(url)
            told = json.loads(_other_process("audit", url))
            print(f"audit of money, {8 * AUDITED:,} rows on {name}: {told['house']:.1f} s"
                  f" ({told['cpu']:.1f} s of this process), {told['peak_mb']} MB;"
                  f" bare sums {told['floor']:.2f} s")  # fmt: skip


def _other_process(*arguments: str) -> str:
    done = subprocess.run([sys.executable, "-m", "benchmarks.billing", *arguments], stdout=subprocess.PIPE, check=True)
    return done.stdout.decode()


# --- issued -----------------------------------------------------------------------------------------------------


def _issuing(name: str, url: str, home: Path) -> None:
    fill(url, ORDERS, cards_each=CARDS)
    asked = _questions_an_invoice(url, home)
    house = _rate(lambda writer: _issue_slice(url, home, writer), ORDERS - 1)
    _prepare_floor(url)
    floor = _rate(lambda writer: _floor_slice(url, writer), ORDERS - 1)
    print(f"issued by {WRITERS} writers on {name}: {house:.0f}/s, {house / floor:.2f} × the floor of {floor:.0f}/s;"
          f" {asked} statements an invoice")  # fmt: skip


def _rate(work: Callable[[int], Iterator[None]], count: int) -> float:
    """Wall time of forked writers that start together, each from where `work` stops first."""
    ready, begin = os.pipe(), os.pipe()
    pids = []
    for writer in range(WRITERS):
        pid = os.fork()
        if pid == 0:
            try:
                steps = work(writer)
                next(steps)
                os.write(ready[1], b"x")
                os.read(begin[0], 1)
                next(steps, None)
            except BaseException:
                traceback.print_exc()
                os._exit(1)
            os._exit(0)
        pids.append(pid)
    for _ in pids:
        os.read(ready[0], 1)
    start = time.perf_counter()
    os.write(begin[1], b"x" * WRITERS)
    ends = [os.waitpid(pid, 0)[1] for pid in pids]
    if any(ends):
        raise RuntimeError("a writer failed")
    return count / (time.perf_counter() - start)


def _settings(url: str, home: Path) -> Settings:
    clock = POSTED_AT.replace(day=23)
    return Settings(home=home, environment="test", engine="inline", clock=clock, database_url=url)


def _keys() -> list[str]:
    return [f"B-{n:07d}" for n in range(1, ORDERS)]


def _issue_slice(url: str, home: Path, writer: int) -> Iterator[None]:
    with open_house(actor="writer", settings=_settings(url, home)) as house:
        yield
        for key in _keys()[writer::WRITERS]:
            done = work_on(house, INVOICE[0], (key,))
            if done.counts != {"invoiced": 1}:
                raise RuntimeError(f"{key} was not invoiced: {done}")


def _questions_an_invoice(url: str, home: Path) -> int:
    """Statements that issuing the first order's invoice sends to the database."""
    seen: list[str] = []
    with open_house(actor="writer", settings=_settings(url, home)) as house:
        engine = house.store._engine
        event.listen(engine, "before_cursor_execute", lambda _c, _u, statement, *_: seen.append(statement))
        work_on(house, INVOICE[0], ("B-0000000",))
    if "-v" in sys.argv:
        print(*seen, sep="\n")
    return len(seen)


def _prepare_floor(url: str) -> None:
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE bare_series (last bigint)"))
        connection.execute(text("INSERT INTO bare_series VALUES (0)"))
        connection.execute(text("CREATE TABLE bare_invoices (number bigint primary key, content text)"))
        for table in ("bare_lines", "bare_entries"):
            columns = "number bigint, position int, net bigint, primary key (number, position)"
            connection.execute(text(f"CREATE TABLE {table} ({columns})"))
    engine.dispose()


def _floor_slice(url: str, writer: int) -> Iterator[None]:
    engine = create_engine(url, connect_args={"timeout": 60} if url.startswith("sqlite") else {})
    if url.startswith("sqlite"):
        event.listen(engine, "connect", _as_the_house_does)
        event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
    content = _an_invoice(1).model_dump_json()
    lines = [{"position": position, "net": 10400} for position in range(CARDS + 1)]
    yield
    for _ in _keys()[writer::WRITERS]:
        with engine.begin() as connection:
            number = connection.execute(text("UPDATE bare_series SET last = last + 1 RETURNING last")).scalar_one()
            connection.execute(text(_FLOOR[0]), {"number": number, "content": content})
            for statement in _FLOOR[1:]:
                connection.execute(text(statement), [{**line, "number": number} for line in lines])
    engine.dispose()


def _as_the_house_does(connection: Any, _record: object) -> None:
    connection.isolation_level = None
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")


# --- drawn ------------------------------------------------------------------------------------------------------


def _an_invoice(number: int, chance: random.Random | None = None) -> Invoice:
    order, postage = f"B-{number:07d}", chance.randrange(1, 9999) if chance else 1920
    place = Settings().seller.address
    delivered = Delivered(
        order_number=order,
        delivered_on=DAY,
        address=place,
        cards=tuple((f"{order}-{line}", "construction") for line in range(CARDS)),
        postage=((f"S-{number:07d}", postage),),
    )
    return issue(
        number=number,
        issued_on=DAY,
        seller=Settings().seller,
        buyer=buyer_of(Business.model_validate(BUSINESS)),
        deliveries=[delivered],
    )


def _drawing() -> None:
    issued = [_an_invoice(number) for number in range(1, DRAWN + 1)]
    pdf, xml = invoice_pdf(issued[0]), invoice_xml(issued[0])
    start = time.process_time()
    for one in issued:
        invoice_xml(one, pdf=invoice_pdf(one))
    house = time.process_time() - start
    words, elements = _words_of(pdf), len(list(etree.fromstring(xml).iter()))
    start = time.process_time()
    for _ in issued:
        _bare_pdf(words)
        _bare_xml(elements)
    floor = time.process_time() - start
    print(f"drawn (PDF and UBL with the PDF inside), one core: {DRAWN / house:.0f}/s,"
          f" {floor / house:.2f} × the bare loop of {DRAWN / floor:.0f}/s")  # fmt: skip


def _words_of(pdf: bytes) -> list[str]:
    return [line for page in PdfReader(io.BytesIO(pdf)).pages for line in page.extract_text().splitlines()]


def _bare_pdf(lines: list[str]) -> bytes:
    """The same lines below each other, in the house's typeface."""
    out = io.BytesIO()
    canvas = Canvas(out, pagesize=A4, pageCompression=1, initialFontName="HseCardSans")
    canvas.setFont("HseCardSans", 8)
    for place, line in enumerate(lines):
        canvas.drawString(50, 800 - 9 * place, line)
    canvas.save()
    return out.getvalue()


def _bare_xml(elements: int) -> bytes:
    root = etree.Element("Invoice")
    for place in range(elements):
        etree.SubElement(root, "Element").text = str(place)
    whole: bytes = etree.tostring(root, encoding="UTF-8", xml_declaration=True)
    return whole


# --- audited ----------------------------------------------------------------------------------------------------


def _fill_invoices(url: str) -> None:
    """Issued invoices, their lines and entries, by bare SQL past the guard of numbers; each tells one of a few sums."""
    chance, engine = random.Random(1), create_engine(url)
    told = [_an_invoice(number, chance) for number in range(1, 101)]
    with engine.begin() as connection:
        _without_guards(connection)
        for start in range(1, AUDITED + 1, 2500):
            numbers = range(start, min(start + 2500, AUDITED + 1))
            rows = [_rows(told[number % len(told)], number) for number in numbers]
            connection.execute(insert(invoices), [head for head, _, _ in rows])
            connection.execute(insert(invoice_lines), [line for _, lines, _ in rows for line in lines])
            connection.execute(insert(ledger_entries), [entry for _, _, entries in rows for entry in entries])
    engine.dispose()


def _without_guards(connection: Any) -> None:
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("SET LOCAL session_replication_role = replica")
        return
    connection.exec_driver_sql("DROP TRIGGER invoices_number_given")


def _rows(one: Invoice, number: int) -> tuple[dict[str, Any], list[dict[str, Any]], list[dict[str, Any]]]:
    """The rows of an invoice under another number: itself, its lines, its entries."""
    order, content = f"B-{number:07d}", {**one.model_dump(mode="json"), "number": number, "kid": str(number)}
    sums = {"net_ore": one.net_ore, "vat_ore": one.vat_ore, "gross_ore": one.gross_ore}
    head = {"number": number, "kid": str(number), "issued_on": one.issued_on, "order_number": order, **sums}
    lines = [
        {
            "number": number,
            "position": position,
            "kind": line.kind,
            "order_number": order,
            "card_id": f"{order}-{position}" if line.card_id else None,
            "shipment_id": f"S-{number:07d}" if line.shipment_id else None,
            "net_ore": line.net_ore,
        }
        for position, line in enumerate(one.lines, start=1)
    ]
    booked = [{**entry.model_dump(), "posting": f"invoice:{number}"} for entry in entries_of_invoice(one)]
    return {**head, "content": content}, lines, booked


def _audit(url: str) -> None:
    """In a process of its own, for its memory."""
    store, blobs = open_store(url, clock=SystemClock()), FolderBlobs(Path(tempfile.mkdtemp()), b"k" * 32)
    start, cpu = time.perf_counter(), time.process_time()
    with store.read() as uow:
        found = {rule.name: len(list(rule.broken(uow, blobs))) for rule in rules_of_money.RULES}
    house, cpu = time.perf_counter() - start, time.process_time() - cpu
    if any(found.values()):
        raise RuntimeError(found)
    start = time.perf_counter()
    with store.read() as uow:
        for table, column in (
            ("invoices", "gross_ore"),
            ("invoice_lines", "net_ore"),
            ("ledger_entries", "amount_ore"),
        ):
            uow.connection.exec_driver_sql(f"SELECT count(*), sum({column}) FROM {table}").one()
    floor = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(json.dumps({"house": house, "cpu": cpu, "floor": floor, "peak_mb": peak}))


if __name__ == "__main__":
    if "audit" in sys.argv:
        _audit(sys.argv[-1])
    else:
        main()
