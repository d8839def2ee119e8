"""Real readers for the tests: a pcscd of our own with vsmartcard's virtual readers, and hoppers of virtual cards.

pcscd has one fixed socket, so it runs in a mount namespace of its own, and is reached through /proc. Each reader has
its own copy of the driver: several entries that share one hang. The card side answers at once (TCP_QUICKACK), since
the driver writes length and body apart and would wait 40 ms for every exchange.
"""

import contextlib
import os
import shutil
import signal
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chip.adapters.virtual import VirtualEncoder
from chip.errors import ChipLost
from chip.profile import default_profile

DRIVER = Path("/usr/lib/pcsc/drivers/serial/libifdvpcd.so")
ATR = bytes.fromhex("3B8180018080")  # what PC/SC makes of a contactless DESFire
MISSING = not DRIVER.exists() or shutil.which("pcscd") is None or shutil.which("unshare") is None
CHANGE_S = 0.6  # pcscd looks for a card every 0.4 s: one changed faster than that was never away
_OFF, _ON, _RESET, _GET_ATR = 0, 1, 2, 4


@dataclass(frozen=True)
class Readers:
    """A running pcscd: the names of its readers and the ports at which their cards are laid on."""

    socket: str
    ports: dict[str, int]
    process: subprocess.Popen[bytes]


@contextmanager
def running_pcscd(folder: Path, names: Sequence[str]) -> Iterator[Readers]:
    """pcscd with one virtual reader a name; its client sets PCSCLITE_CSOCK_NAME to `socket` before its first call."""
    ports = dict(zip(names, _free_ports(len(names)), strict=True))
    conf = folder / "conf"
    conf.mkdir(parents=True)
    for number, (name, port) in enumerate(ports.items()):
        driver = folder / f"driver{number}.so"
        shutil.copy(DRIVER, driver)
        text = f'FRIENDLYNAME "{name}"\nDEVICENAME /dev/null:{port:#x}\nLIBPATH {driver}\nCHANNELID {port:#x}\n'
        (conf / name.replace(" ", "_")).write_text(text)
    script = f"mount -t tmpfs none /run && mkdir -p /run/pcscd && exec pcscd -f -c {conf}"
    with (folder / "pcscd.log").open("wb") as log:
        process = subprocess.Popen(["unshare", "-m", "sh", "-c", script], stdout=log, stderr=log)
    try:
        place = f"/proc/{process.pid}/root/run/pcscd/pcscd.comm"
        _until(lambda: os.path.exists(place) and _listens(list(ports.values())), folder / "pcscd.log")
        yield Readers(socket=place, ports={f"{name} 00 00": port for name, port in ports.items()}, process=process)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)


def _free_ports(count: int) -> list[int]:
    """Every reader listens on two neighbouring ports."""
    found: list[int] = []
    port = 20_000 + os.getpid() % 4_000 * 8
    while len(found) < count:
        if all(_is_free(number) for number in (port, port + 1)):
            found.append(port)
        port += 2
    return found


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("0.0.0.0", port))
        except OSError:
            return False
    return True


def _listens(ports: Sequence[int]) -> bool:
    """Looked up in the kernel's list: a trial connection would be a card."""
    rows = Path("/proc/net/tcp").read_text().splitlines()[1:]
    listening = {int(row.split()[1].rpartition(":")[2], 16) for row in rows if row.split()[3] == "0A"}
    return set(ports) <= listening


def _until(done: Any, log: Path, patience_s: float = 20.0) -> None:
    until = time.monotonic() + patience_s
    while not done():
        if time.monotonic() > until:
            raise AssertionError(f"pcscd did not come up:\n{log.read_text(errors='replace')}")
        time.sleep(0.02)


@dataclass
class Hopper:
    """Lays the chips of `places` on a reader, one after the other, as the reader powers each of them down.

    A chip that was torn away (its fault says when) is laid on again; so is one that is not finished yet. `rounds`
    times through all places: encoding and proving each need one. `swaps` lays another chip on after one was torn away.
    """

    port: int
    chips: VirtualEncoder
    places: Sequence[tuple[str, int]]
    rounds: int = 1
    swaps: dict[tuple[str, int], tuple[str, int]] = field(default_factory=dict)
    pulled: int = 0
    laid: list[tuple[str, int]] = field(default_factory=list)
    error: BaseException | None = None
    _stopped: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> "Hopper":
        self._thread = threading.Thread(target=self._feed, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join(10)
        if self.error is not None:
            raise self.error

    def _feed(self) -> None:
        try:
            for place in [place for _ in range(self.rounds) for place in self.places]:
                while not self._stopped.is_set() and not self._lay(place):
                    self._stopped.wait(CHANGE_S)
                self._stopped.wait(CHANGE_S)
        except BaseException as error:
            self.error = error

    def _lay(self, place: tuple[str, int]) -> bool:
        """One time on the reader. True when the next chip is due."""
        if self.pulled:
            place = self.swaps.get(place, place)
        self.laid.append(place)
        with socket.create_connection(("127.0.0.1", self.port), timeout=0.2) as line:
            line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return self._answer(line, place)

    def _answer(self, line: socket.socket, place: tuple[str, int]) -> bool:
        with ExitStack() as power:
            presented: Any = None
            while (frame := self._frame(line)) is not None:
                if len(frame) != 1:
                    if presented is None:
                        presented = power.enter_context(self.chips.present(*place))
                    try:
                        _send(line, presented.transmit(frame))
                    except ChipLost:
                        self.pulled += 1
                        return False
                elif frame[0] == _GET_ATR:
                    _send(line, ATR)
                elif frame[0] == _OFF and presented is not None:
                    return _finished(presented.card.memory)
        return False

    def _frame(self, line: socket.socket) -> bytes | None:
        head = self._exactly(line, 2)
        return None if head is None else self._exactly(line, struct.unpack(">H", head)[0])

    def _exactly(self, line: socket.socket, size: int) -> bytes | None:
        data = b""
        while len(data) < size:
            if self._stopped.is_set():
                return None
            with contextlib.suppress(OSError):
                line.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
            try:
                more = line.recv(size - len(data))
            except TimeoutError:
                continue
            if not more:
                return None
            data += more
        return data


def _send(line: socket.socket, data: bytes) -> None:
    line.sendall(struct.pack(">H", len(data)) + data)


def _finished(memory: Any) -> bool:
    app = memory.apps.get(default_profile().aid_wire.hex())
    return app is not None and app.keys[0].version != 0
