"""What the node takes and gives: SOP classes, transfer syntaxes, and the presentation contexts made of them."""

from __future__ import annotations

from collections.abc import Iterable

from pydicom.uid import (
    HTJ2K,
    JPEG2000,
    UID,
    ComputedRadiographyImageStorage,
    CTImageStorage,
    DeflatedExplicitVRLittleEndian,
    DigitalXRayImageStorageForPresentation,
    DigitalXRayImageStorageForProcessing,
    EnhancedCTImageStorage,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    HTJ2KLossless,
    HTJ2KLosslessRPCL,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
    SecondaryCaptureImageStorage,
)
from pynetdicom.presentation import PresentationContext, build_context
from pynetdicom.sop_class import (
    Comprehensive3DSRStorage,
    ComprehensiveSRStorage,
    GrayscaleSoftcopyPresentationStateStorage,
    KeyObjectSelectionDocumentStorage,
    ParametricMapStorage,
    SegmentationStorage,
    StorageCommitmentPushModel,
    StudyRootQueryRetrieveInformationModelFind,
    Verification,
)

RECEIVED_SOP_CLASSES: tuple[UID, ...] = (
    ComputedRadiographyImageStorage,
    DigitalXRayImageStorageForPresentation,
    DigitalXRayImageStorageForProcessing,
    CTImageStorage,
    EnhancedCTImageStorage,
    SecondaryCaptureImageStorage,
)
"""Images that the node takes. FOR PROCESSING is taken to be answered with "not analysed, because"."""

RECEIVED_TRANSFER_SYNTAXES: tuple[UID, ...] = (
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    ExplicitVRBigEndian,
    DeflatedExplicitVRLittleEndian,
    RLELossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    JPEG2000Lossless,
    JPEG2000,
    HTJ2KLossless,
    HTJ2KLosslessRPCL,
    HTJ2K,
)
"""How their data may be encoded: all that the toolkit decodes."""

RESULT_SOP_CLASSES: tuple[UID, ...] = (
    Comprehensive3DSRStorage,
    ComprehensiveSRStorage,
    SecondaryCaptureImageStorage,
    ParametricMapStorage,
    SegmentationStorage,
    GrayscaleSoftcopyPresentationStateStorage,
    KeyObjectSelectionDocumentStorage,
)
"""Result objects that the node sends."""

RESULT_TRANSFER_SYNTAXES: tuple[UID, ...] = (ExplicitVRLittleEndian,)


def received_contexts() -> list[PresentationContext]:
    """Return what the node's SCP accepts: verification, and each class of image in every encoding."""
    images = [build_context(sop_class, list(RECEIVED_TRANSFER_SYNTAXES)) for sop_class in RECEIVED_SOP_CLASSES]
    return [build_context(Verification), *images]


def contexts_for(pairs: Iterable[tuple[str, str]]) -> list[PresentationContext]:
    """Return one context for each (SOP class, transfer syntax).

    A context with several syntaxes would let the peer choose one that the files at hand do not have.
    """
    return [build_context(sop_class, syntax) for sop_class, syntax in dict.fromkeys(pairs)]


def query_contexts() -> list[PresentationContext]:
    """Return what the node asks for when it looks whether a result arrived."""
    return [build_context(StudyRootQueryRetrieveInformationModelFind)]


def commitment_contexts() -> list[PresentationContext]:
    """Return what the node asks for when it wants a result to be committed to."""
    return [build_context(StorageCommitmentPushModel)]
