"""Print runs through a real IPP printer program, CUPS's `ippeveprinter`, with its faults and its short memory.

The program needs a system bus and avahi, both started here on addresses of their own. Its device is a script that
plays a jam, an empty ribbon or a broken feeder for as long as a file says so.
"""

import fcntl
import os
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cards.adapters.system import SystemClock
from cards.effects import EffectState
from cards.errors import Refused, Unavailable, Unsure
from flows.house import House
from flows.stages.by_hand import receive_blanks
from flows.stages.intake import import_orders
from flows.stages.line import Tally, run_line
from flows.stages.outcomes import Told, record_outcome
from flows.stages.press import PRESS, in_doubt
from flows.stages.produce import PRODUCE
from printing.adapters.ipp import IppOptions, IppPrinter
from printing.models import PrintJobState
from store.audit import violations
from tests.sim.world import lay_out_inbox, open_world

PROGRAMS = ("ippeveprinter", "dbus-daemon", "avahi-daemon")
MISSING = [name for name in PROGRAMS if not shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin")]
pytestmark = pytest.mark.skipif(
    bool(MISSING or os.geteuid()) and not os.environ.get("CI"),
    reason=f"needs root for avahi, and {', '.join(PROGRAMS)} (make system-packages)",
)
CARD = "iso_id-1_53.98x85.6mm"

_BUS = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>system</type><listen>unix:path={socket}</listen><auth>EXTERNAL</auth><policy context="default">
<allow user="*"/><allow own="*"/><allow send_type="method_call"/><allow send_type="signal"/>
<allow send_requested_reply="true" send_type="method_return"/>
<allow send_requested_reply="true" send_type="error"/>
<allow receive_type="method_call"/><allow receive_type="method_return"/><allow receive_type="error"/>
<allow receive_type="signal"/></policy></busconfig>
"""
_AVAHI = "[server]\nuse-ipv6=no\nallow-interfaces=lo\n"
_MEDIA = f"""ATTR mimeMediaType document-format-supported application/pdf
ATTR keyword media-supported {CARD}
ATTR keyword media-default {CARD}
ATTR keyword sides-supported one-sided,two-sided-long-edge
ATTR keyword sides-default two-sided-long-edge
"""
# Stands still with the reason in STILL until that is gone; gives up when BROKEN is there; SLOW keeps it busy.
_DEVICE = """#!/bin/sh
cd {folder} && echo "$1" >> asked
while [ -e SLOW ]; do sleep 0.05; done
while [ -e STILL ]; do was=$(cat STILL); echo "STATE: +$was-error" >&2; sleep 0.05; done
[ -n "$was" ] && echo "STATE: -$was-error" >&2
[ -e BROKEN ] && exit 1
exit 0
"""


@dataclass
class Device:
    """The real printer: where it listens, and the folder of its device and its spool."""

    folder: Path
    port: int
    process: subprocess.Popen[bytes]

    @property
    def uri(self) -> str:
        return f"ipp://localhost:{self.port}/ipp/print"

    def printed(self) -> list[bytes]:
        """The documents that reached the device, in their order."""
        asked = self.folder / "asked"
        files = asked.read_text().splitlines() if asked.exists() else []
        return [Path(file).read_bytes() for file in files]

    def is_(self, name: str, reason: str = "") -> Path:
        (self.folder / name).write_text(reason)
        return self.folder / name


@contextmanager
def running(*command: str, log: Path, env: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("ab") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, env=env)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def wait_until(ready: Callable[[], bool], what: str, log: Path) -> None:
    for _ in range(200):
        if ready():
            return
        time.sleep(0.05)
    pytest.fail(f"{what} did not start: {log.read_text()[-500:]}")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def listens(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("localhost", port), timeout=1):
        return True
    return False


@contextmanager
def alone() -> Iterator[None]:
    """One at a time on this machine, whichever worker asks: avahi runs once a machine."""
    with (Path(tempfile.gettempdir()) / "hsecard-avahi.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@pytest.fixture(scope="module")
def bus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The environment of a printer program: the machine's own avahi, or one of ours on a bus of its own."""
    env = {**os.environ, "PATH": f"{os.environ['PATH']}:/usr/sbin"}
    if Path("/run/dbus/system_bus_socket").exists() and Path("/run/avahi-daemon/pid").exists():
        yield env
        return
    base = tmp_path_factory.mktemp("bus")
    address, log = base / "bus", base / "log"
    env["DBUS_SYSTEM_BUS_ADDRESS"] = f"unix:path={address}"
    (base / "bus.conf").write_text(_BUS.format(socket=address))
    (base / "avahi.conf").write_text(_AVAHI)
    daemon = ("dbus-daemon", f"--config-file={base / 'bus.conf'}", "--nofork", "--nopidfile")
    avahi = ("avahi-daemon", "-f", str(base / "avahi.conf"), "--no-drop-root", "--no-chroot", "--no-rlimits")
    with alone(), running(*daemon, log=log, env=env):
        wait_until(address.exists, "dbus-daemon", log)
        with running(*avahi, log=log, env=env):
            wait_until(lambda: "startup complete" in log.read_text(), "avahi-daemon", log)
            yield env


@contextmanager
def printer_program(folder: Path, env: dict[str, str], port: int) -> Iterator[Device]:
    spool, device, media = folder / "spool", folder / "device", folder / "media.conf"
    spool.mkdir(exist_ok=True)
    media.write_text(_MEDIA)
    device.write_text(_DEVICE.format(folder=folder))
    device.chmod(0o755)
    command = ["ippeveprinter", "-n", "localhost", "-p", str(port), "-r", "off", "-d", str(spool), "-k"]
    with running(*command, "-a", str(media), "-c", str(device), "Card", log=folder / "log", env=env) as process:
        wait_until(lambda: listens(port), "ippeveprinter", folder / "log")
        yield Device(folder, port, process)


@pytest.fixture
def device(tmp_path: Path, bus: dict[str, str]) -> Iterator[Device]:
    (tmp_path / "device").mkdir()
    with printer_program(tmp_path / "device", bus, free_port()) as device:
        yield device


def printer_of(uri: str, **options: float) -> IppPrinter:
    quick = IppOptions(media=CARD, sides="two-sided-long-edge", patience_s=10, timeout_s=5, pause_s=0.05)
    return IppPrinter(uri, clock=SystemClock(), options=replace(quick, **options))  # type: ignore[arg-type]  # any field


def test_one_key_is_one_job_byte_for_byte(device: Device) -> None:
    printer = printer_of(device.uri)
    document = b"%PDF-1.7\n" + bytes(range(256)) * 2000
    first = printer.submit("print:P-1", "P-1", document)
    assert printer.submit("print:P-1", "P-1", document).reference == first.reference
    done = printer_of(device.uri).follow("print:P-1")
    assert done is not None
    assert (done.state, done.reference) == (PrintJobState.DONE, first.reference)
    assert device.printed() == [document]
    with pytest.raises(Refused, match=r"print\.key_reused"):
        printer.submit("print:P-1", "P-1", b"%PDF another")
    assert printer.follow("print:P") is None


def test_a_busy_printer_is_asked_again_until_it_takes_the_job(device: Device) -> None:
    slow = device.is_("SLOW")
    printer_of(device.uri).submit("a", "a", b"%PDF a")
    with pytest.raises(Unavailable, match=r"print\.printer_busy"):
        printer_of(device.uri, patience_s=0.3).submit("b", "b", b"%PDF b")
    free = threading.Timer(0.5, slow.unlink)
    free.start()
    printer_of(device.uri).submit("b", "b", b"%PDF b")
    printer_of(device.uri).follow("b")
    assert device.printed() == [b"%PDF a", b"%PDF b"]


@pytest.mark.parametrize(
    ("reason", "code"), [("media-jam", "print.jam"), ("marker-supply-empty", "print.ribbon_empty")]
)
def test_what_the_printer_misses_is_told_and_its_job_goes_on(device: Device, house: House, reason: str, code: str):
    still = device.is_("STILL", reason)
    at_it = with_printer(house, printer_of(device.uri))
    assert codes(run_line(at_it, PRESS)) == [code]
    assert not at_it.printer.status().ready
    with pytest.raises(Unavailable, match=code.replace(".", r"\.")):
        at_it.printer.submit("another", "run", b"%PDF")
    still.unlink()
    wait_until(lambda: at_it.printer.status().ready, "the cleared printer", device.folder / "log")
    assert run_line(at_it, PRESS).counts == {"printed": 1}
    assert len(device.printed()) == 1


def test_a_job_given_up_is_asked_of_a_person_and_made_good(device: Device, house: House) -> None:
    broken = device.is_("BROKEN")
    at_it = with_printer(house, printer_of(device.uri))
    assert codes(run_line(at_it, PRESS)) == ["print.job_aborted"]
    broken.unlink()
    assert record_outcome(at_it, "P-000001", Told(good=frozenset({1}), rest="unprinted"))["unprinted"] == 2
    run_line(at_it, PRODUCE)
    assert len(device.printed()) == 2


def test_media_that_the_printer_does_not_have_are_refused_and_the_cards_go_free(device: Device, house: House) -> None:
    wrong = IppPrinter(device.uri, clock=SystemClock(), options=IppOptions(media="iso_a4_210x297mm"))
    assert codes(run_line(with_printer(house, wrong), PRESS)) == ["print.refused"]
    assert [problem.code for problem in in_doubt(house)] == ["print.refused"]
    record_outcome(house, "P-000001", Told(rest="unprinted"))
    assert in_doubt(house) == []
    assert device.printed() == []


def test_a_printer_that_is_off_took_nothing() -> None:
    printer = printer_of(f"ipp://localhost:{free_port()}/ipp/print")
    with pytest.raises(Unavailable, match=r"print\.printer_unreachable"):
        printer.submit("k", "t", b"%PDF")
    with pytest.raises(Unavailable, match=r"print\.printer_unreachable"):
        printer.status()


class Cutting:
    """A line to the printer that swallows the answer to a Print-Job: the printer has it, we never hear."""

    def __init__(self, port: int) -> None:
        self._to = port
        self._server = socket.create_server(("127.0.0.1", 0))
        self.uri = f"ipp://127.0.0.1:{self._server.getsockname()[1]}/ipp/print"
        self.cut = 0
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._server.accept()
                threading.Thread(target=self._carry, args=(near,), daemon=True).start()

    def _carry(self, near: socket.socket) -> None:
        print_job = threading.Event()
        with suppress(OSError), near, socket.create_connection(("127.0.0.1", self._to)) as far:
            threading.Thread(target=self._upwards, args=(near, far, print_job), daemon=True).start()
            while answer := far.recv(65536):
                if print_job.is_set():
                    self.cut += 1
                    near.shutdown(socket.SHUT_RDWR)  # closing alone waits for the other thread's reading
                    return
                near.sendall(answer)

    def _upwards(self, near: socket.socket, far: socket.socket, print_job: threading.Event) -> None:
        with suppress(OSError):
            while asked := near.recv(65536):
                if b"application/pdf" in asked:
                    print_job.set()
                far.sendall(asked)

    def close(self) -> None:
        self._server.close()


def test_a_lost_answer_is_settled_by_looking_for_the_one_job(device: Device, house: House) -> None:
    line = Cutting(device.port)
    with pytest.raises(Unsure, match=r"print\.answer_lost"):
        printer_of(line.uri).submit("k", "t", b"%PDF lost")
    assert printer_of(device.uri).look_up("k", datetime.now(UTC)) is not None
    at_it = with_printer(house, printer_of(line.uri))
    assert codes(run_line(at_it, PRESS)) == []
    line.close()
    assert line.cut == 2
    assert len(device.printed()) == 2
    with at_it.store.read() as uow:
        assert uow.effects.get("print:P-000001").state is EffectState.CONFIRMED


def test_what_a_printer_cannot_remember_it_cannot_deny(device: Device) -> None:
    printer = printer_of(device.uri, memory_s=30)
    time.sleep(1)  # a printer tells its up-time in whole seconds
    now = datetime.now(UTC)
    assert printer.look_up("never sent", now) is None
    for long_ago in (now - timedelta(seconds=31), now - timedelta(seconds=15)):  # forgotten; before its start
        with pytest.raises(Unsure, match=r"print\.history_gone"):
            printer.look_up("never sent", long_ago)


def test_a_printer_that_restarted_in_the_middle_leaves_it_to_a_person(
    device: Device, bus: dict[str, str], house: House
) -> None:
    still = device.is_("STILL", "media-jam")
    at_it = with_printer(house, printer_of(device.uri))
    run_line(at_it, PRESS)
    device.process.kill()
    device.process.wait()
    assert codes(run_line(at_it, PRESS)) == ["print.printer_unreachable"]
    still.unlink()
    with printer_program(device.folder, bus, device.port):
        assert codes(run_line(at_it, PRESS)) == ["print.job_forgotten"]
        record_outcome(at_it, "P-000001", Told(rest="good"))
    assert len(device.printed()) == 1


# --- a house with a run of three cards that waits for the printer ------------------------------------------------


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.mktemp("ipp")
    lay_out_inbox(base / "inbox")
    (base / "inbox" / "SIM-C.json").unlink()
    with open_world(base / "home") as house:
        receive_blanks(house, lot="LOT-1", count=20)
        import_orders(house, str(base / "inbox"))
        run_line(house, PRODUCE[:-2])
    return base / "home"


@pytest.fixture
def house(tmp_path: Path, drawn: Path) -> Iterator[House]:
    shutil.copytree(drawn, tmp_path / "home")
    with open_world(tmp_path / "home") as opened:
        yield opened
        assert violations(opened.store, opened.blobs) == []


def with_printer(house: House, printer: IppPrinter) -> House:
    return replace(house, printer=printer)


def codes(tally: Tally) -> list[str]:
    return [problem.code for problem in tally.problems]
