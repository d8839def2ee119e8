"""One settings class: everything that differs between a laptop, a test and the bureau, read from HSECARD_… variables.

An unknown HSECARD_ variable is refused (a misspelt setting must not be silently ignored), secrets never print, and
production refuses what only a demo may have: a still clock, the built-in secret, virtual faults.
"""

import hashlib
import hmac
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import AwareDatetime, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from billing.models import Seller
from cards.address import Address
from cards.errors import Refused

PREFIX = "HSECARD_"
_BUILT_IN_SECRET = "not a secret: for demos and tests only"  # noqa: S105 -- production refuses to start with it

_SELLER = Seller(
    name="Eksempel Kortutsteder AS",
    org_number="314159268",
    bank_account="86011117947",
    address=Address(recipient="Eksempel Kortutsteder AS", street="Postboks 100", postcode="0101", city="Oslo"),
)


class Settings(BaseSettings):
    """How this house is set up. Every field is the variable HSECARD_<FIELD>; structured ones take JSON."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="forbid")

    home: Path = Field(default=Path("hsecard-home"), description="Folder of the embedded database, blobs and output.")
    environment: Literal["demo", "test", "production"] = "demo"
    database_url: str | None = Field(default=None, description="SQLAlchemy URL; without it, SQLite under home.")
    blobs_url: str | None = Field(default=None, description="Folder or s3://bucket/prefix; without it, under home.")
    secret: SecretStr = SecretStr(_BUILT_IN_SECRET)
    clock: AwareDatetime | None = Field(default=None, description="A still clock, for demos and replays.")
    engine: Literal["processes", "inline"] = "processes"
    workers: int = Field(default_factory=lambda: os.cpu_count() or 1, ge=1, le=256)
    chunk: int = Field(default=250, ge=1, le=500, description="Cards per task and per batch.")
    durable: bool = Field(default=True, description="fsync each SQLite commit; off only for throw-away databases.")
    handling_ore: int = Field(default=0, ge=0, description="What handling one letter costs, for the split of orders.")
    hold_mail: Literal["never", "ready_by_deadline"] = Field(
        default="ready_by_deadline",
        description="Ready cards wait for an order already placed to the same address, or never.",
    )
    post_at_once: tuple[str, ...] = Field(
        default=(), description="Organisation numbers whose ready cards never wait for company."
    )
    promised_days: int = Field(default=5, ge=1, le=60, description="Working days from order to letter box.")
    transit_days: int = Field(default=2, ge=0, le=30, description="Working days that the carrier takes.")
    production_days: int = Field(default=2, ge=0, le=30, description="Working days that a card takes to be ready.")
    carrier_numbers: Literal["none", "s10", "sscc"] = Field(
        default="none", description="What our labels carry of the ranges that the carrier gave us (hsecard numbers)."
    )
    numbers_low: int = Field(default=200, ge=0, description="With fewer of the carrier's numbers left, doctor warns.")
    packing: Literal["virtual", "scan"] = Field(
        default="virtual", description="Who scans cards into letters: a twin of the bench, or a person (hsecard pack)."
    )
    tariff_files: tuple[Path, ...] = Field(default=(), description="Contract tariffs on top of the bundled lists.")
    carrier: Literal["folder", "bring"] = "folder"
    carrier_url: str = Field(default="https://api.bring.com", description="Where Bring's APIs are spoken to.")
    carrier_uid: SecretStr | None = Field(default=None, description="Mybring user (an e-mail address).")
    carrier_key: SecretStr | None = Field(default=None, description="Mybring API key.")
    carrier_client_url: str | None = Field(default=None, description="Our address on the web, told with each request.")
    carrier_customer: str = Field(default="5", description="Mybring customer number; 5 is the one for tests.")
    carrier_product: str = Field(
        default="3634+2000", description="Bring's product and additional services: a small letter, registered."
    )
    carrier_test: bool = Field(default=True, description="Bookings are tests: nothing is paid or carried.")
    carrier_looks_up: bool = Field(default=False, description="The carrier tells bookings by correlationId.")
    carrier_push_token: SecretStr | None = Field(
        default=None, description="Bearer token of the carrier's webhooks; without it, none are taken."
    )
    mail: str = Field(default="folder", description="folder, smtp://host:port (STARTTLS) or smtps://host:port.")
    mail_sender: str = Field(default="hsecard@hsecard.example", description="Our address on outgoing mail.")
    mail_user: str | None = Field(default=None, description="User at the mail server.")
    mail_password: SecretStr | None = Field(default=None, description="Password at the mail server.")
    mail_authority: Path | None = Field(default=None, description="Certificates to trust for the mail server.")
    access_point: Literal["none", "folder"] = Field(
        default="none", description="Where e-invoices leave for Peppol; none: with the mail, as an attachment."
    )
    payments: Literal["twin", "stripe"] = "twin"
    stripe_key: SecretStr | None = Field(default=None, description="Secret API key at Stripe.")
    stripe_webhook_secret: SecretStr | None = Field(default=None, description="Secret of our webhook at Stripe.")
    stripe_url: str | None = Field(default=None, description="Where Stripe is spoken to, when it is not Stripe.")
    invoice_days: int = Field(default=14, ge=1, le=60, description="Days until an invoice is due.")
    seller: Seller = _SELLER
    sheet: str = Field(default="card", description="How cards lie on a page: card, a4-10up, or a sheet file.")
    printer: str = Field(default="folder", description="The card printer: folder, or ipp://host:port/ipp/print.")
    printer_media: str | None = Field(default=None, description="Media by PWG name, e.g. iso_id-1_53.98x85.6mm.")
    printer_sides: Literal["one-sided", "two-sided-long-edge", "two-sided-short-edge"] | None = None
    printer_patience_s: int = Field(default=600, ge=1, description="How long a print job is followed in one go.")
    printer_memory_s: int = Field(default=50, ge=1, description="How long the printer surely lists an ended job.")
    lease_s: int = Field(default=300, ge=1, description="After this long a sent effect without answer counts as lost.")
    photo_days: int = Field(default=30, ge=0, description="Days after issue until the original photo is erased.")
    run_days: int = Field(
        default=14, ge=0, description="Days after the freeze until a closed batch's print files are erased."
    )
    portrait_days: int = Field(default=60, ge=0, description="Days after the end of validity until a portrait goes.")
    keys: str = Field(default="software", description="`software`, or pkcs11:token=LABEL?module-path=FILE for an HSM.")
    keys_pin: SecretStr | None = Field(default=None, description="The PIN of the HSM's token.")
    key_generation: int = Field(default=1, ge=1, le=254, description="Keys that new cards get; it signs their content.")
    encoders: tuple[str, ...] = Field(
        default=("virtual:virtual-1",), min_length=1, description="Chip encoders: virtual:NAME or pcsc:READER NAME."
    )
    reader_patience_s: int = Field(default=30, ge=1, description="How long a PC/SC reader waits for the next card.")
    originality: bool = Field(default=False, description="New chips have to show NXP's signature; virtual ones cannot.")
    virtual_faults: dict[str, str] = Field(default={}, description="Planted chip faults, `<batch>#<position>`: fault.")
    prefect_port: int = Field(default=4200, ge=1024, le=65535)
    fault_folder: Path | None = Field(default=None, description="Where fault reports are dropped as files.")
    api_token: SecretStr | None = Field(default=None, description="Bearer token of the API; without it, no API.")
    api_people: dict[str, SecretStr] = Field(
        default={}, description="Bearer tokens of people who may act on refunds over the API, by name."
    )
    api_host: str = Field(default="127.0.0.1", description="Address that the API listens on.")
    api_port: int = Field(default=4280, ge=1024, le=65535)

    def key(self, purpose: str) -> bytes:
        """A 32-byte key for one purpose, derived from the secret: different purposes never share a key."""
        return hmac.digest(self.secret.get_secret_value().encode(), purpose.encode(), hashlib.sha256)

    @property
    def database(self) -> str:
        return self.database_url or f"sqlite:///{self.home.resolve() / 'hsecard.sqlite'}"

    @property
    def faults(self) -> Path:
        return self.fault_folder or self.home / "faults"

    @property
    def blobs(self) -> str:
        return self.blobs_url or str(self.home.resolve() / "blobs")


def read_settings(environ: Mapping[str, str] | None = None) -> Settings:
    """The settings of this process. Raises Refused (`settings.unknown`, `settings.invalid`, `settings.unsafe`)."""
    names = {name for name in (os.environ if environ is None else environ) if name.upper().startswith(PREFIX)}
    for name in sorted(names):
        if name.upper().removeprefix(PREFIX).lower() not in Settings.model_fields:
            known = ", ".join(sorted(PREFIX + field.upper() for field in Settings.model_fields))
            raise Refused("settings.unknown", "there is no such setting", field=name, fix=f"use one of: {known}")
    try:
        settings = Settings() if environ is None else _from(environ)
    except ValidationError as fault:
        first = fault.errors(include_url=False, include_input=False)[0]
        name = PREFIX + ".".join(str(part) for part in first["loc"]).upper()
        raise Refused("settings.invalid", first["msg"], field=name, fix="correct the variable") from None
    except SettingsError as fault:
        name = PREFIX + str(fault).partition('field "')[2].partition('"')[0].upper()
        raise Refused(
            "settings.invalid", "the value is not JSON", field=name, fix="write it as JSON: check the quotes"
        ) from None
    return _fit_for_production(settings)


def _from(environ: Mapping[str, str]) -> Settings:
    before = dict(os.environ)
    os.environ.clear()
    os.environ.update(environ)
    try:
        return Settings()
    finally:
        os.environ.clear()
        os.environ.update(before)


def _fit_for_production(settings: Settings) -> Settings:
    if settings.environment != "production":
        return settings
    unsafe = {
        "HSECARD_SECRET": settings.secret.get_secret_value() == _BUILT_IN_SECRET,
        "HSECARD_CLOCK": settings.clock is not None,
        "HSECARD_ENCODERS": any(address.startswith("virtual:") for address in settings.encoders),
        "HSECARD_VIRTUAL_FAULTS": bool(settings.virtual_faults),
        "HSECARD_DURABLE": not settings.durable,
        "HSECARD_KEYS": settings.keys == "software",
        "HSECARD_PACKING": settings.packing == "virtual",
        "HSECARD_SELLER": settings.seller == _SELLER,
        "HSECARD_STRIPE_URL": settings.stripe_url is not None,
        "HSECARD_CARRIER_TEST": settings.carrier == "bring" and settings.carrier_test,
    }
    for name, is_unsafe in unsafe.items():
        if is_unsafe:
            raise Refused(
                "settings.unsafe", "is not fit for production", field=name, fix=f"set {name} for this environment"
            )
    return settings
