"""The envelope in which an e-invoice travels in the Peppol network: who sends what to whom, by which process.

A Standard Business Document Header as the Peppol Business Message Envelope profiles it (docs.peppol.eu, envelope 2.0):
the access point reads it and need not open the document. Made from document and key alone, so always the same bytes.
"""

import uuid
from typing import Any

from lxml import etree

from billing.ehf import CUSTOMIZATION, ORGANISATIONS, PROFILE
from cards.errors import Refused

_SBDH = "http://www.unece.org/cefact/namespaces/StandardBusinessDocumentHeader"
_CBC = "urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2"
_PARTICIPANTS = "iso6523-actorid-upis"
_KEYS = uuid.UUID("6f2f3bb2-97fd-5d5b-8d3f-6f2c1f4f7a10")  # ours: what is sent under one key has one identifier

_Element = Any  # lxml ships no types


def enveloped(document: bytes, *, key: str, sender: str, receiver: str) -> bytes:
    """A UBL document within its envelope. `sender`, `receiver` are Norwegian organisation numbers.

    Raises Refused `ehf.text` when `document` is no XML.
    """
    root = _root_of(document)
    space, _, name = root.tag[1:].partition("}")
    envelope = etree.Element(_in("StandardBusinessDocument"), nsmap={None: _SBDH})
    header = etree.SubElement(envelope, _in("StandardBusinessDocumentHeader"))
    _say(header, "HeaderVersion", "1.0")
    for role, number in (("Sender", sender), ("Receiver", receiver)):
        party = etree.SubElement(header, _in(role))
        _say(party, "Identifier", f"{ORGANISATIONS}:{number}", Authority=_PARTICIPANTS)
    about = etree.SubElement(header, _in("DocumentIdentification"))
    _say(about, "Standard", space)
    _say(about, "TypeVersion", "2.1")
    _say(about, "InstanceIdentifier", str(uuid.uuid5(_KEYS, key)))
    _say(about, "Type", name)
    _say(about, "CreationDateAndTime", f"{root.findtext(f'{{{_CBC}}}IssueDate')}T00:00:00Z")
    scopes = etree.SubElement(header, _in("BusinessScope"))
    _scope(scopes, "DOCUMENTID", f"{space}::{name}##{CUSTOMIZATION}::2.1", "busdox-docid-qns")
    _scope(scopes, "PROCESSID", PROFILE, "cenbii-procid-ubl")
    _scope(scopes, "COUNTRY_C1", "NO", None)
    envelope.append(root)
    whole: bytes = etree.tostring(envelope, xml_declaration=True, encoding="UTF-8")
    return whole


def _root_of(document: bytes) -> _Element:
    try:
        return etree.fromstring(document)
    except etree.XMLSyntaxError as fault:
        raise Refused(
            "ehf.text",
            f"no XML document: {fault}",
            field="document",
            fix="draw the e-invoice again before it is sent",
        ) from None


def _in(name: str) -> str:
    return f"{{{_SBDH}}}{name}"


def _say(parent: _Element, name: str, text: str, **attributes: str) -> None:
    element = etree.SubElement(parent, _in(name), attributes)
    element.text = text


def _scope(scopes: _Element, kind: str, instance: str, identifier: str | None) -> None:
    scope = etree.SubElement(scopes, _in("Scope"))
    _say(scope, "Type", kind)
    _say(scope, "InstanceIdentifier", instance)
    if identifier:
        _say(scope, "Identifier", identifier)
