"""What goes in and out of the printing room: photos judged, faces laid out, runs drawn, pages read back."""

from datetime import date
from enum import StrEnum

from pydantic import BaseModel, ConfigDict

CARD_WIDTH_MM = 85.60  # ISO/IEC 7810 ID-1
CARD_HEIGHT_MM = 53.98
PORTRAIT_WIDTH_MM = 22.0
PORTRAIT_HEIGHT_MM = 28.0


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PhotoReason(StrEnum):
    """Why a photo makes no portrait. The rules are those of the HSE card, which are those of the passport."""

    NOT_AN_IMAGE = "not_an_image"
    TRUNCATED = "truncated"
    BOMB = "bomb"
    UNSUPPORTED = "unsupported"
    NO_FACE = "no_face"
    SEVERAL_FACES = "several_faces"
    FACE_TOO_SMALL = "face_too_small"
    FACE_CUT = "face_cut"
    NOT_FRONTAL = "not_frontal"
    EYES_NOT_VISIBLE = "eyes_not_visible"
    COVERED = "covered"
    TOO_DARK = "too_dark"
    TOO_BRIGHT = "too_bright"
    BLURRED = "blurred"
    PICTURE_OF_PICTURE = "picture_of_picture"
    NOT_UPRIGHT = "not_upright"
    BACKGROUND = "background"
    LOW_QUALITY = "low_quality"


class PhotoFinding(_Frozen):
    """One reason with what was measured, the limit it broke, and a sentence for the orderer in both languages."""

    reason: PhotoReason
    measured: float | None
    limit: float | None
    sentence_no: str
    sentence_en: str


class PhotoVerdict(_Frozen):
    """A photo judged. `eyes` are (x, y) pixels of the upright picture, image-left eye first; None without a face."""

    accepted: bool
    findings: tuple[PhotoFinding, ...]
    measures: dict[str, float]
    eyes: tuple[tuple[float, float], tuple[float, float]] | None


class Portrait(_Frozen):
    """A finished portrait: baseline JPEG, sRGB, no metadata, 22 × 28 mm at `dpi`; same photo in, same bytes out.

    `adjustments` logs what was done to light and colour (`exposure_gain`, `white_balance_red`, …).
    """

    jpeg: bytes
    dpi: int
    sha256: str
    adjustments: dict[str, float]


class FaceContent(_Frozen):
    """All that the two faces of a card say. Text is NFC; `portrait_sha256` names the picture; dates print DD.MM.YYYY.

    `status_url` is what the QR code holds: the status address with the number and its keyed tag.
    """

    card_id: str
    number: str
    kind: str
    kind_label_no: str
    kind_label_en: str
    given_name: str
    family_name: str
    birth_date: date
    employer: str
    org_number: str
    issued_on: date
    issuer: str
    status_url: str
    portrait_sha256: str


class FaceFault(_Frozen):
    """Why a face cannot be laid out: `reason` is `name_glyph` or `name_too_long`, `field` the content field."""

    reason: str
    field: str
    detail: str
    fix: str


class Face(_Frozen):
    """A face that fits: its content, the design it was laid out with, and the digest over both (front and back)."""

    content: FaceContent
    design: str
    digest: str


class FaceMismatch(_Frozen):
    """Where a drawn or printed page differs from the order. `expected`/`found` hold digests for names and pictures."""

    position: int
    card_id: str
    what: str  # text, qr, barcode, portrait, page
    expected: str
    found: str


class PrintJobState(StrEnum):
    """Where a print job stands: what the printer says of it, or what is known when it says nothing."""

    ASKED = "asked"  # about to be handed over, or handed over without an answer
    ACCEPTED = "accepted"
    STOPPED = "stopped"  # it goes on when somebody has cleared the printer
    DONE = "done"
    ABORTED = "aborted"  # some of its cards may have come out: a person is asked which
    FORGOTTEN = "forgotten"  # accepted, and the printer does not know it any more: a person is asked
    TOLD = "told"  # a person told which cards came out


class PrintJob(_Frozen):
    """A job as the printer knows it: our key, its own reference, where it stands and why."""

    key: str
    reference: str
    state: PrintJobState
    reason: str | None = None


class PrinterStatus(_Frozen):
    """Whether a printer takes jobs now; `reasons` are IPP keywords without their severity (`media-jam`)."""

    ready: bool
    reasons: tuple[str, ...] = ()
