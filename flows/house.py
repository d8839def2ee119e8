"""The composition root: the one place where ports meet their adapters.

A House is everything a stage needs. Tests and the simulator build one from twins; the command line and the flows open
one from the settings.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from billing.adapters.folder_access_point import FolderAccessPoint
from billing.adapters.folder_mail import FolderMail
from billing.adapters.payments_twin import PaymentsTwin
from billing.adapters.smtp_mail import MailServer, SmtpMail
from billing.ports import AccessPoint, Balance, Crediting, Invoicing, Mail, Payments
from cards.adapters.system import SteadyClock, SystemClock, SystemEntropy
from cards.errors import Refused, Unavailable
from cards.ports import Clock, Entropy
from chip.adapters.pcsc import PcscEncoder
from chip.adapters.pkcs11_keys import Pkcs11Keys, TokenAddress
from chip.adapters.software_keys import SoftwareKeys
from chip.adapters.virtual import VirtualEncoder
from chip.faults import Fault
from chip.originality import nxp_points
from chip.ports import Encoder, Keys
from chip.profile import Profile, default_profile
from flows.doorbell import Doorbell, open_doorbell
from flows.engine import Engine, Inline, Processes
from flows.settings import Settings, read_settings
from printing.adapters.folder import FolderPrinter
from printing.adapters.ipp import IppOptions, IppPrinter
from printing.ports import Printer
from shipping.adapters.bring import BringCarrier
from shipping.adapters.bring_http import BringOptions
from shipping.adapters.folder import FolderCarrier
from shipping.models import TariffRow, WeightModel
from shipping.ports import Carrier
from shipping.tariffs import known_tariffs
from shipping.weights import bundled_weights
from store.blobs import open_blobs
from store.database import Store, migrate, open_store
from store.grants import refuse_owner
from store.ports import Blobs


@dataclass(frozen=True)
class House:
    """Everything a stage needs: the settings, what lasts, and the ports. `actor` stands in the journal."""

    settings: Settings
    clock: Clock
    entropy: Entropy
    store: Store
    blobs: Blobs
    engine: Engine
    printer: Printer
    encoders: tuple[Encoder, ...]
    keys: Keys
    profile: Profile
    carrier: Carrier
    payments: Payments
    invoicing: Invoicing | None  # who sends invoices in the place of our own mail
    crediting: Crediting | None  # who keeps credit notes on those invoices
    balance: Balance | None  # our money with who takes our payments
    access_point: AccessPoint | None  # where e-invoices go in the place of either
    mail: Mail
    doorbell: Doorbell
    tariffs: tuple[TariffRow, ...]
    weights: WeightModel
    actor: str

    @property
    def encoder(self) -> Encoder:
        """The first encoder: where a person lays a card on to have it read."""
        return self.encoders[0]


def build_house(settings: Settings, *, actor: str) -> House:
    """A house from settings, its database migrated when it is new. Raises our errors when a part is not to be had."""
    _make_home(settings.home)
    clock = SteadyClock(settings.clock) if settings.clock else SystemClock()
    if _is_new(settings):
        migrate(settings.database)
    store = open_store(settings.database, clock=clock, durable=settings.durable)
    if settings.environment == "production":
        refuse_owner(store)
    return House(
        settings=settings,
        clock=clock,
        entropy=SystemEntropy(),
        store=store,
        blobs=open_blobs(settings.blobs, seal_key=settings.key("blobs")),
        engine=Inline() if settings.engine == "inline" else Processes(settings.workers),
        printer=_printer(settings, clock),
        encoders=_encoders(settings),
        keys=_keys(settings),
        profile=_profile(settings),
        carrier=_carrier(settings, clock),
        payments=_payments(settings),
        **_at_stripe(settings),
        access_point=_access_point(settings),
        mail=_mail(settings),
        doorbell=open_doorbell(),
        tariffs=known_tariffs(*settings.tariff_files),
        weights=bundled_weights(),
        actor=actor,
    )


def _is_new(settings: Settings) -> bool:
    """An embedded database that is not there yet is made; any other is migrated by a person (`doctor --migrate`)."""
    return settings.database_url is None and not (settings.home / "hsecard.sqlite").exists()


def _make_home(home: Path) -> None:
    try:
        home.mkdir(parents=True, exist_ok=True)
        probe = home / ".writable"
        probe.touch()
        probe.unlink(missing_ok=True)  # another process of this house may be probing, too
    except OSError as fault:
        raise Unavailable(
            "home.not_writable",
            f"{home} cannot be written: {fault.strerror}",
            field="HSECARD_HOME",
            fix="name a folder that this user may write, with room on its disk",
        ) from None


def _profile(settings: Settings) -> Profile:
    points = nxp_points() if settings.originality else ()
    return default_profile().model_copy(
        update={"key_generation": settings.key_generation, "originality_points": points}
    )


def _keys(settings: Settings) -> Keys:
    if settings.keys == "software":
        seed = settings.key("chip")
        return SoftwareKeys(seed, environment=settings.environment, generation=settings.key_generation)
    address = TokenAddress.parsed(settings.keys)
    if settings.keys_pin is None:
        raise Refused(
            "settings.invalid",
            "an HSM is named, and no PIN for it",
            field="HSECARD_KEYS_PIN",
            fix="set the PIN of the token, from a secret store rather than a file",
        )
    return Pkcs11Keys(address, settings.key_generation, settings.keys_pin.get_secret_value())


def _printer(settings: Settings, clock: Clock) -> Printer:
    if settings.printer == "folder":
        return FolderPrinter(settings.home / "printer")
    if not settings.printer.startswith(("ipp://", "ipps://")):
        raise Refused(
            "settings.invalid",
            f"{settings.printer!r} names no printer",
            field="HSECARD_PRINTER",
            fix="write folder, or ipp://host:port/ipp/print",
        )
    options = IppOptions(
        media=settings.printer_media,
        sides=settings.printer_sides,
        patience_s=settings.printer_patience_s,
        memory_s=settings.printer_memory_s,
    )
    return IppPrinter(settings.printer, clock=clock, options=options)


def _carrier(settings: Settings, clock: Clock) -> Carrier:
    if settings.carrier == "folder":
        return FolderCarrier(settings.home / "carrier")
    if settings.carrier_numbers != "none":
        raise Refused(
            "settings.invalid",
            "Bring gives its own number with each booking",
            field="HSECARD_CARRIER_NUMBERS",
            fix="leave it at none where the carrier is Bring",
        )
    product, *services = settings.carrier_product.split("+")
    options = BringOptions(
        sender=settings.seller.address,
        uid=_needed("HSECARD_CARRIER_UID", settings.carrier_uid),
        key=_needed("HSECARD_CARRIER_KEY", settings.carrier_key),
        client_url=_needed("HSECARD_CARRIER_CLIENT_URL", settings.carrier_client_url),
        customer=settings.carrier_customer,
        product=product,
        services=tuple(services),
        base_url=settings.carrier_url,
        test=settings.carrier_test,
        looks_up=settings.carrier_looks_up,
    )
    return BringCarrier(options, clock=clock)


def _access_point(settings: Settings) -> AccessPoint | None:
    return None if settings.access_point == "none" else FolderAccessPoint(settings.home / "access-point")


def _mail(settings: Settings) -> Mail:
    if settings.mail == "folder":
        return FolderMail(settings.home / "mail", settings.mail_sender)
    server = MailServer(
        url=settings.mail,
        sender=settings.mail_sender,
        user=settings.mail_user,
        password=settings.mail_password.get_secret_value() if settings.mail_password else None,
        authority=str(settings.mail_authority) if settings.mail_authority else None,
    )
    return SmtpMail(server)


def _needed(name: str, value: SecretStr | str | None) -> str:
    text = value.get_secret_value() if isinstance(value, SecretStr) else value
    if not text:
        raise Refused(
            "settings.invalid",
            "the carrier is Bring, and this is not set",
            field=name,
            fix=f"set {name} as Mybring has it",
        )
    return text


def _payments(settings: Settings) -> Payments:
    if settings.payments == "twin":
        return PaymentsTwin(settings.home / "payments")
    from billing.adapters.stripe_payments import StripePayments  # noqa: PLC0415 -- Stripe's client is slow to import

    return StripePayments(_stripe_key(settings), settings.stripe_url)


def _at_stripe(settings: Settings) -> dict[str, Any]:
    """The ports that are there only where payments are at Stripe, by their names in the house."""
    if settings.payments == "twin":
        return {"invoicing": None, "crediting": None, "balance": None}
    from billing.adapters.stripe_balance import StripeBalance  # noqa: PLC0415 -- as above
    from billing.adapters.stripe_crediting import StripeCrediting  # noqa: PLC0415 -- as above
    from billing.adapters.stripe_invoicing import StripeInvoicing  # noqa: PLC0415 -- as above

    ports = {"invoicing": StripeInvoicing, "crediting": StripeCrediting, "balance": StripeBalance}
    return {name: port(_stripe_key(settings), settings.stripe_url) for name, port in ports.items()}


def _stripe_key(settings: Settings) -> str:
    if settings.stripe_key is None:
        raise Refused(
            "settings.invalid",
            "payments are at Stripe, and this is not set",
            field="HSECARD_STRIPE_KEY",
            fix="set the secret API key of the account, from a secret store rather than a file",
        )
    return settings.stripe_key.get_secret_value()


def _encoders(settings: Settings) -> tuple[Encoder, ...]:
    """The encoders of the bench, in the order in which a run's trays are dealt to them."""
    faults = _virtual_faults(settings)
    encoders: list[Encoder] = []
    for address in settings.encoders:
        kind, _, name = address.partition(":")
        if kind not in ("virtual", "pcsc") or not name.strip() or name in (encoder.name for encoder in encoders):
            raise Refused(
                "settings.invalid",
                f"{address!r} names no encoder, or one that is named before",
                field="HSECARD_ENCODERS",
                fix='write ["virtual:a", "virtual:b"] or ["pcsc:ACME Reader 00 00"], each name once',
            )
        if kind == "pcsc":
            encoders.append(PcscEncoder(name, reader=name, patience_s=settings.reader_patience_s))
        else:
            chips = settings.home / "chips"
            encoders.append(VirtualEncoder(name, seed=settings.key("virtual-chips"), folder=chips, faults=faults))
    return tuple(encoders)


def _virtual_faults(settings: Settings) -> dict[tuple[str, int], Fault]:
    faults = {}
    for place, fault in settings.virtual_faults.items():
        tray, mark, position = place.rpartition("#")
        if not mark or not position.isdigit():
            raise Refused(
                "settings.invalid",
                f"{place!r} names no place in a tray",
                field="HSECARD_VIRTUAL_FAULTS",
                fix='write {"P-000001#7": "aborted"}',
            )
        faults[(tray, int(position))] = Fault.named(fault)
    return faults


@contextmanager
def open_house(*, actor: str, settings: Settings | None = None) -> Iterator[House]:
    """A house for the length of the context; workers and connections are let go at its end."""
    house = build_house(settings or read_settings(), actor=actor)
    try:
        yield house
    finally:
        house.engine.close()
        house.store.close()
