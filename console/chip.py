"""One chip from the terminal: a card key derived from given values, a chip read as a door reads it, keys in the HSM."""
# ruff: noqa: PLC0415 -- the rooms are imported by the command that needs them: help must be quick

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cards.days import oslo_day
from cards.errors import Refused
from console.answer import answer
from console.options import AsJson, By, DryRun
from console.show import facts, line
from console.work import at_work

if TYPE_CHECKING:
    from chip.models import ChipReading
    from chip.ports import Encoder
    from flows.house import House

app = typer.Typer(no_args_is_help=True, help="One chip: derive, read, roll-over, create-keys.")

_LONGEST_INPUT = 31  # bytes, AN10922
_FROM_STDIN = "-"


@app.command()
def derive(
    *,
    master: Annotated[str, typer.Option("--master", metavar="HEX", help="16 bytes; - reads them from stdin.")],
    uid: Annotated[str, typer.Option("--uid", metavar="HEX", help="The chip's UID.")],
    aid: Annotated[str, typer.Option("--aid", metavar="HEX", help="The application, as written.")] = "",
    key_number: Annotated[
        int | None, typer.Option("--key-number", min=0, max=255, help="Left out of the input when not given.")
    ] = None,
    system_id: Annotated[str, typer.Option("--system-id", metavar="HEX", help="Ends the input.")] = "",
    as_json: AsJson = False,
) -> int:
    """Derive an AES-128 card key by AN10922 from UID, AID, key number, system.

    For test values: a master in use stays in the key service.
    """
    from chip.derive import cmac, div_input, diversify

    secret = _hex(sys.stdin.readline() if master == _FROM_STDIN else master, "--master")
    if len(secret) != 16:
        raise _wrong("--master", f"a master key has 16 bytes, not {len(secret)}", "give 32 hex digits")
    joined = {"uid": _hex(uid, "--uid"), "aid": _hex(aid, "--aid"), "system_id": _hex(system_id, "--system-id")}
    size = sum(map(len, joined.values())) + (key_number is not None)
    if not joined["uid"]:
        raise _wrong("--uid", "the UID is empty", "give the chip's UID, 14 hex digits as a rule")
    if size > _LONGEST_INPUT:
        raise _wrong("--system-id", f"the input has {size} bytes, at most {_LONGEST_INPUT} fit", "shorten it")
    material = div_input(key_number=key_number, **joined)
    key = diversify(secret, material)
    document = {
        "input": material.hex().upper(),
        "key": key.hex().upper(),
        "check_value": cmac(key, bytes(16))[:3].hex().upper(),
    }
    pairs = {"input": document["input"], "card key": document["key"], "check value": document["check_value"]}
    return answer(document, [facts("AN10922, AES-128", pairs)], as_json=as_json)


def _hex(text: str, field: str) -> bytes:
    """Pairs of hex digits; blanks and colons between them are welcome. Refused `chip.not_hex`, never showing the text:
    it may be a key."""
    try:
        return bytes.fromhex(text.replace(":", " "))
    except ValueError:
        raise Refused(
            "chip.not_hex",
            "this is no row of hex bytes",
            field=field,
            fix="give two hex digits a byte: 0-9 and A-F",
        ) from None


def _wrong(field: str, message: str, fix: str) -> Refused:
    return Refused("chip.wrong_length", message, field=field, fix=fix)


@app.command()
def read(
    *,
    tray: Annotated[str | None, typer.Option("--tray", metavar="BATCH", help="A virtual chip: its tray.")] = None,
    position: Annotated[int | None, typer.Option("--position", min=1, help="And its place in the tray.")] = None,
    reader: Annotated[
        str | None, typer.Option("--reader", metavar="NAME", help="A PC/SC reader with a card on it.")
    ] = None,
    as_json: AsJson = False,
) -> int:
    """Read the presented chip with the read key only, and verify it.

    Exits 3 when its signature does not hold.
    """
    with at_work("reader") as house:
        reading = _reading(house, tray, position, reader)
        expired = reading.valid_until < oslo_day(house.clock.now())
    document: dict[str, Any] = {**reading.model_dump(mode="json"), "expired": expired}
    pairs = {
        "UID": reading.uid,
        "card number": reading.card_number,
        "valid until": f"{reading.valid_until} (expired)" if expired else reading.valid_until,
        "signature": "holds" if reading.signature_valid else "DOES NOT HOLD",
        "signing key": reading.signing_key_id,
        "key generation": reading.key_generation,
    }
    return answer(document, [facts("Chip", pairs)], as_json=as_json, problems=_problems(reading))


def _problems(reading: "ChipReading") -> list[Any]:
    from flows.stages.line import Problem

    if reading.signature_valid:
        return []
    fault = Refused(
        "chip.signature_invalid",
        "what the chip says is not signed by us for this chip",
        fix="keep the card: it is a copy or a forgery; find out where it came from",
    )
    return [Problem.of(f"chip {reading.uid}", fault)]


def _reading(house: "House", tray: str | None, position: int | None, reader: str | None) -> "ChipReading":
    from chip.verify import read_chip

    encoder, place = _where(house, tray, position, reader)
    with encoder.present(*place) as transport:
        return read_chip(transport, keys=house.keys, entropy=house.entropy, profile=house.profile)


def _where(
    house: "House", tray: str | None, position: int | None, reader: str | None
) -> "tuple[Encoder, tuple[str, int]]":
    """The encoder and the place at which it presents the chip. Raises Refused `chip.which_reader`."""
    if reader is not None and tray is None and position is None:
        from chip.adapters.pcsc import PcscEncoder

        patience_s = house.settings.reader_patience_s
        return PcscEncoder("reader", reader=reader, patience_s=patience_s), ("reader", 1)
    if tray is None or position is None or reader is not None:
        raise Refused("chip.which_reader", "name one chip", fix="give --tray with --position, or --reader alone")
    with house.store.read() as uow:
        uow.batches.get(tray)
    return house.encoder, (tray, position)


@app.command("roll-over")
def roll_over(
    *,
    by: By,
    tray: Annotated[str | None, typer.Option("--tray", metavar="BATCH", help="A virtual chip: its tray.")] = None,
    position: Annotated[int | None, typer.Option("--position", min=1, help="And its place in the tray.")] = None,
    reader: Annotated[
        str | None, typer.Option("--reader", metavar="NAME", help="A PC/SC reader with a card on it.")
    ] = None,
    as_json: AsJson = False,
    dry_run: DryRun = False,
) -> int:
    """Bring a finished card of the last key generation to the present one.

    The present one is HSECARD_KEY_GENERATION. Cut short, it goes on.
    """
    from flows.stages.rollover import roll_over_chip

    with at_work(by) as house:
        wanted = house.profile.key_generation
        before = _reading(house, tray, position, reader)
        if not dry_run:
            encoder, place = _where(house, tray, position, reader)
            roll_over_chip(house, encoder, tray=place[0], position=place[1])
    document = {"dry_run": dry_run, "uid": before.uid, "from": before.key_generation, "to": wanted}
    verb = "would go" if dry_run else "went"
    said = f"chip {before.uid} {verb} from key generation {before.key_generation} to {wanted}"
    return answer(document, [line(said)], as_json=as_json)


@app.command("create-keys")
def create_keys(
    generation: Annotated[int, typer.Option("--generation", min=1, max=254, help="The generation to make.")],
    as_json: AsJson = False,
    dry_run: DryRun = False,
) -> int:
    """Make the four masters and the signing key of a generation in the HSM.

    What the HSM holds is never overwritten.
    """
    with at_work("keys") as house:
        keys = _hsm(house)
        there = keys.existing(generation)
        made = [label for label in keys.labels_of(generation) if label not in there] if dry_run else []
        if not dry_run:
            made = keys.create(generation)
        checks = {} if dry_run else {name: keys.check_value(name, generation) for name in keys.masters}
    document = {"dry_run": dry_run, "generation": generation, "made": made, "there": there, "check_values": checks}
    verb = "would make" if dry_run else "made"
    shown = [line(f"{verb} {label}") for label in made] or [line("everything is there; nothing was changed")]
    return answer(document, [*shown, *([facts("Check values", checks)] if checks else [])], as_json=as_json)


def _hsm(house: "House") -> Any:
    from chip.adapters.pkcs11_keys import Pkcs11Keys

    if not isinstance(house.keys, Pkcs11Keys):
        raise Refused(
            "chip.no_hsm",
            "the keys of this house are software keys: they follow from HSECARD_SECRET",
            field="HSECARD_KEYS",
            fix="name the HSM in HSECARD_KEYS; for software keys, set HSECARD_KEY_GENERATION",
        )
    return house.keys
