"""A MIFARE DESFire in software: EV1, EV2 and EV3 as far as a bureau uses them, strict where a real chip is strict.

It enforces keys, access rights, key settings and room, and keeps what standard and backup files promise. It knows no
host code: what it lets through, a second reading of the notes let through. Sessions and frames: virtual_session.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from cards.ports import Entropy
from chip.adapters.virtual_crypto import MAKER, Comm, DesChannel, checksum, exclusive_or, signed_by_maker
from chip.adapters.virtual_memory import AES, DES, Memory, StoredApp, StoredFile, StoredKey
from chip.adapters.virtual_session import (
    BOUNDARY,
    DENIED,
    DUPLICATE,
    FREE,
    ILLEGAL,
    INTEGRITY,
    LENGTH,
    NO_APP,
    NO_AUTH,
    NO_CHANGES,
    NO_ROOM,
    PARAMETER,
    CardSession,
    Refusal,
)

__all__ = ["MAKER", "VirtualCard"]

_VERSIONS = {1: (0x01, 0x00), 2: (0x12, 0x00), 3: (0x33, 0x00)}


class VirtualCard(CardSession):
    """One chip under power. `memory` is what it keeps; `changed` tells that it must be stored."""

    def __init__(self, memory: Memory, entropy: Entropy, *, told_uid: bytes | None = None) -> None:
        super().__init__(memory, entropy)
        self._told_uid = told_uid or (bytes(7) if memory.random_uid else memory.uid)
        self._commands |= {
            0x60: self._get_version,
            0x64: self._get_key_version,
            0x6A: self._list_apps,
            0xC4: self._change_key,
            0x54: self._change_settings,
            0x45: self._get_settings,
            0xCA: self._create_app,
            0xDA: self._delete_app,
            0xFC: self._format,
            0x6E: self._free_memory,
            0xCD: lambda body: self._create_file(0xCD, body),
            0xCB: lambda body: self._create_file(0xCB, body),
            0xDF: self._delete_file,
            0x6F: self._list_files,
            0x8D: lambda body: self._write(0x8D, body),
            0x3D: lambda body: self._write(0x3D, body),
            0xAD: lambda body: self._read(0xAD, body),
            0xBD: lambda body: self._read(0xBD, body),
            0xC7: self._commit,
            0xA7: self._abort,
            0x51: self._get_uid,
            0x3C: self._read_signature,
        }
        if memory.generation == 1:
            for ins in (0x71, 0x77, 0x8D, 0xAD, 0x3C):
                del self._commands[ins]

    # --- the chip ---------------------------------------------------------------------------------------------------

    def _get_version(self, body: bytes) -> bytes:
        if body or self._now.channel is not None:
            raise Refusal(LENGTH if body else ILLEGAL)
        major, minor = _VERSIONS[self.memory.generation]
        family = 0x08 if self.memory.strange else 0x01
        made = bytes([4, family, 1, major, minor, 0x18, 5])
        batch = bytes.fromhex("CF4D5A3010") + b"\x21\x26"
        self._now.outgoing = [made, made, self._told_uid + batch]
        return b""

    def _get_key_version(self, body: bytes) -> bytes:
        header, rest = self._opened(0x64, body, header=1)
        if len(header) != 1 or rest:
            raise Refusal(LENGTH)
        return self._closed(bytes([self._key(header[0]).version]))

    def _list_apps(self, body: bytes) -> bytes:
        self._opened(0x6A, body, header=0)
        if self._now.aid is not None:
            raise Refusal(DENIED)
        if not self.memory.picc_settings & 0x02:
            self._require_key(0)
        return self._closed(b"".join(bytes.fromhex(aid) for aid in self.memory.apps))

    def _settings(self) -> int:
        app = self._app_or_none()
        return self.memory.picc_settings if app is None else app.settings

    def _get_settings(self, body: bytes) -> bytes:
        self._opened(0x45, body, header=0)
        app = self._app_or_none()
        kind = 0x80 if app is not None or self.memory.picc_key.kind == AES else 0x00
        return self._closed(bytes([self._settings(), kind | (len(app.keys) if app is not None else 1)]))

    def _change_settings(self, body: bytes) -> bytes:
        self._require_key(0)
        _, data = self._opened(0x54, body, header=0, size=1)
        if len(data) != 1:
            raise Refusal(LENGTH)
        if not self._settings() & 0x08:
            raise Refusal(DENIED)
        app = self._app_or_none()
        if app is None:
            self.memory.picc_settings = data[0]
        else:
            app.settings = data[0]
        self.changed = True
        return self._closed(b"")

    def _get_uid(self, body: bytes) -> bytes:
        if self._now.channel is None:
            raise Refusal(NO_AUTH)
        self._opened(0x51, body, header=0)
        return self._closed(self.memory.uid, full=True)

    def _read_signature(self, body: bytes) -> bytes:
        header, rest = self._opened(0x3C, body, header=1)
        if header != b"\x00" or rest:
            raise Refusal(PARAMETER)
        return self._closed(signed_by_maker(self.memory.uid), full=True)

    def _free_memory(self, body: bytes) -> bytes:
        self._opened(0x6E, body, header=0)
        return self._closed(self.memory.free.to_bytes(3, "little"))

    def _format(self, body: bytes) -> bytes:
        self._require_key(0)
        self._opened(0xFC, body, header=0)
        if self._now.aid is not None:
            raise Refusal(DENIED)
        self.memory.free += sum(_room(file) for app in self.memory.apps.values() for file in app.files.values())
        self.memory.free += 64 * len(self.memory.apps)
        self.memory.apps.clear()
        self.changed = True
        return self._closed(b"")

    # --- keys -------------------------------------------------------------------------------------------------------

    def _change_key(self, body: bytes) -> bytes:
        channel = self._now.channel
        if channel is None or not body:
            raise Refusal(NO_AUTH)
        number, app = body[0] & 0x3F, self._app_or_none()
        own = number == self._now.key_number
        self._check_may_change(number, app)
        plain, checked = channel.opened_key(body)
        block, version, check = plain[:16], plain[16], plain[17:]
        if own == checked:
            raise Refusal(INTEGRITY)
        value = block
        if not own:
            value = exclusive_or(block, self._key(number).value)
            if checksum(value) != check:
                raise Refusal(INTEGRITY)
        fresh = StoredKey(AES, value, version)
        if app is None:
            self.memory.picc_key = fresh
        else:
            app.keys[number] = fresh
        self.changed = True
        if own:
            self.drop_session()
            return b""
        return self._closed(b"")

    def _check_may_change(self, number: int, app: StoredApp | None) -> None:
        self._key(number)
        if app is None:
            becomes_aes = self.memory.picc_key.kind == DES
            if not self.memory.picc_settings & 0x01:
                raise Refusal(DENIED)
            if becomes_aes != isinstance(self._now.channel, DesChannel):
                raise Refusal(NO_AUTH)
            return
        changer = app.settings >> 4
        if changer == 0x0F or (number == 0 and not app.settings & 0x01):
            raise Refusal(DENIED)
        allowed = 0 if number == 0 or changer in (0, number) else changer
        self._require_key(number if changer == 0x0E else allowed)

    # --- applications and files -------------------------------------------------------------------------------------

    @contextmanager
    def _taking(self, room: int) -> Iterator[None]:
        if room > self.memory.free:
            raise Refusal(NO_ROOM)
        yield
        self.memory.free -= room
        self.changed = True

    def _create_app(self, body: bytes) -> bytes:
        if self._now.aid is not None:
            raise Refusal(DENIED)
        if not self.memory.picc_settings & 0x04:
            self._require_key(0)
        header, rest = self._opened(0xCA, body, header=5)
        if len(header) != 5 or rest:
            raise Refusal(LENGTH)
        aid, settings, kinds = header[:3], header[3], header[4]
        if kinds & 0xC0 != 0x80 or not 1 <= kinds & 0x0F <= 14 or not any(aid):
            raise Refusal(PARAMETER)
        if aid.hex() in self.memory.apps:
            raise Refusal(DUPLICATE)
        with self._taking(64):
            keys = [StoredKey(AES, bytes(16)) for _ in range(kinds & 0x0F)]
            self.memory.apps[aid.hex()] = StoredApp(settings, keys)
        return self._closed(b"")

    def _delete_app(self, body: bytes) -> bytes:
        self._require_key(0)
        header, _ = self._opened(0xDA, body, header=3)
        if self._now.aid is not None:
            raise Refusal(DENIED)
        if header.hex() not in self.memory.apps:
            raise Refusal(NO_APP)
        del self.memory.apps[header.hex()]  # the room is not given back until the chip is formatted
        self.changed = True
        return self._closed(b"")

    def _create_file(self, ins: int, body: bytes) -> bytes:
        app = self._app()
        if not app.settings & 0x04:
            self._require_key(0)
        header, rest = self._opened(ins, body, header=7)
        if len(header) != 7 or rest:
            raise Refusal(LENGTH)
        number, comm, size = header[0], header[1], int.from_bytes(header[4:7], "little")
        rights = (header[3] >> 4, header[3] & 0x0F, header[2] >> 4, header[2] & 0x0F)
        if number > 31 or comm not in (0, 1, 3) or size == 0 or any(len(app.keys) <= key < FREE for key in rights):
            raise Refusal(PARAMETER)
        if number in app.files:
            raise Refusal(DUPLICATE)
        file = StoredFile(ins == 0xCB, comm, rights, bytes(size))
        with self._taking(_room(file)):
            app.files[number] = file
        return self._closed(b"")

    def _delete_file(self, body: bytes) -> bytes:
        self._require_key(0)
        header, _ = self._opened(0xDF, body, header=1)
        self._file(header[0])
        del self._app().files[header[0]]
        self.changed = True
        return self._closed(b"")

    def _list_files(self, body: bytes) -> bytes:
        app = self._app()
        self._opened(0x6F, body, header=0)
        if not app.settings & 0x02:
            self._require_key(0)
        return self._closed(bytes(sorted(app.files)))

    def _granted(self, file: StoredFile, *rights: int) -> bool:
        """True when a key of this session grants access, False when it is free for all. Refuses otherwise."""
        if self._now.channel is not None and self._now.key_number in rights:
            return True
        if FREE not in rights:
            raise Refusal(NO_AUTH if self._now.channel is None else DENIED)
        return False

    def _write(self, ins: int, body: bytes) -> bytes:
        if len(body) < 7:
            raise Refusal(LENGTH)
        number, file = body[0], self._file(body[0])
        keyed = self._granted(file, file.rights[1], file.rights[2])
        offset, length = int.from_bytes(body[1:4], "little"), int.from_bytes(body[4:7], "little")
        _, data = self._opened(ins, body, header=7, size=length if keyed and file.comm == Comm.FULL else None)
        if length == 0 or len(data) != length:
            raise Refusal(LENGTH)
        if offset + length > len(file.data):
            raise Refusal(BOUNDARY)
        before = self._now.pending.get(number, file.data)
        after = before[:offset] + data + before[offset + length :]
        if file.backup:
            self._now.pending[number] = after
        else:
            file.data = after
            self.changed = True
        return self._closed(b"")

    def _read(self, ins: int, body: bytes) -> bytes:
        if len(body) < 7:
            raise Refusal(LENGTH)
        file = self._file(body[0])
        keyed = self._granted(file, file.rights[0], file.rights[2])
        header, rest = self._opened(ins, body, header=7)
        offset, length = int.from_bytes(header[1:4], "little"), int.from_bytes(header[4:7], "little")
        if rest:
            raise Refusal(LENGTH)
        length = length or len(file.data) - offset
        if length <= 0 or offset + length > len(file.data):
            raise Refusal(BOUNDARY)
        return self._closed(file.data[offset : offset + length], full=keyed and file.comm == Comm.FULL)

    def _commit(self, body: bytes) -> bytes:
        self._app()
        self._opened(0xC7, body, header=0)
        if not self._now.pending:
            raise Refusal(NO_CHANGES)
        for number, data in self._now.pending.items():
            self._file(number).data = data
        self._now.pending = {}
        self.changed = True
        return self._closed(b"")

    def _abort(self, body: bytes) -> bytes:
        self._app()
        self._opened(0xA7, body, header=0)
        if not self._now.pending:
            raise Refusal(NO_CHANGES)
        self._now.pending = {}
        return self._closed(b"")


def _room(file: StoredFile) -> int:
    """EEPROM bytes of a file: whole blocks of 32, twice for a backup file."""
    blocks = -(-len(file.data) // 32) * 32
    return 2 * blocks if file.backup else blocks
