"""The codes that results are written in, beside those of the labels, which every task states by itself."""

from __future__ import annotations

from highdicom.coding_schemes import CodingSchemeIdentificationItem
from highdicom.sr import CodedConcept

from lungscan_monai.task import PRIVATE_SCHEME, LabelCode

CERTAINTY = CodedConcept("111012", "DCM", "Certainty of Finding")
SENSITIVITY = CodedConcept("111088", "DCM", "Case Sensitivity")
SPECIFICITY = CodedConcept("111090", "DCM", "Case Specificity")
THRESHOLD = CodedConcept("threshold", PRIVATE_SCHEME, "Threshold of the decision")
PERCENT = CodedConcept("%", "UCUM", "Percent")
NO_UNITS = CodedConcept("1", "UCUM", "no units")

PRESENCE = CodedConcept("121052", "DCM", "Presence of property")
PRESENT = CodedConcept("52101004", "SCT", "Present")
ABSENT = CodedConcept("272519000", "SCT", "Absent")

STATUS = CodedConcept("111065", "DCM", "Summary of Analyses")
NOT_ATTEMPTED = CodedConcept("111225", "DCM", "Not Attempted")
REFUSAL = CodedConcept("refusal", PRIVATE_SCHEME, "Why it was not analysed")

IMAGING_PROCEDURE = CodedConcept("363679005", "SCT", "Imaging procedure")
SPATIAL = CodedConcept("309825002", "SCT", "Spatial and Relational Concept")
CLASS_ACTIVATION = CodedConcept("130403", "DCM", "Gradient-weighted class activation")
ARTIFICIAL_INTELLIGENCE = CodedConcept("123110", "DCM", "Artificial Intelligence")
SOURCE = CodedConcept("121324", "DCM", "Source image")
SOURCE_IMAGE = CodedConcept("121322", "DCM", "Source image for image processing operation")
ENGLISH = CodedConcept("en-US", "RFC5646", "English (United States)")
REPORT = CodedConcept("18748-4", "LN", "Diagnostic imaging report")
FINDINGS = CodedConcept("121070", "DCM", "Findings")
FINDING = CodedConcept("121071", "DCM", "Finding")
CONCLUSIONS = CodedConcept("121076", "DCM", "Conclusions")
CONCLUSION = CodedConcept("121077", "DCM", "Conclusion")
PROCEDURE_DESCRIPTION = CodedConcept("121065", "DCM", "Procedure Description")
PROCEDURE_DESCRIPTIONS = CodedConcept("121064", "DCM", "Current Procedure Descriptions")


def coded(label: LabelCode) -> CodedConcept:
    """Return a label's code as DICOM objects hold it."""
    return CodedConcept(label.code, label.scheme, label.meaning)


def refusal_code(code: str) -> CodedConcept:
    """Return the reason of a reject as a private code; DICOM has none for them."""
    return CodedConcept(code[:16], PRIVATE_SCHEME, code.replace("-", " ")[:64])


def private_scheme() -> CodingSchemeIdentificationItem:
    """Say in an object what the private coding scheme is."""
    return CodingSchemeIdentificationItem(PRIVATE_SCHEME, "Codes of LungScan MONAI", "1")
