"""Every reason for which an image is not read, in one table: the code of a `ReadError` and what it means."""

from __future__ import annotations

READ_CODES = {
    "missing-file": "There is no such file.",
    "not-a-file": "It is a folder, a pipe or a device.",
    "unreadable": "The disk or the file system refuses to give the bytes.",
    "empty": "The file has no bytes.",
    "too-large": "The file, its pixels, frames or samples exceed a limit, or do not fit into memory.",
    "expansion": "Compressed data become more than a limit, or less than the image that they claim to be.",
    "too-deep": "DICOM sequences are nested deeper than a limit.",
    "too-many-elements": "There are more DICOM elements, items or fragments than a limit.",
    "polyglot": "The DICOM preamble begins like a program, an archive, a page or a picture.",
    "truncated": "The file ends before what its headers promise.",
    "malformed": "The headers contradict the format or themselves.",
    "unknown-format": "It is neither DICOM, NIfTI, MetaImage, NRRD nor a known picture format.",
    "not-dicom": "It is named or treated as DICOM, and is none.",
    "not-an-image": "A DICOM object of another kind: report, presentation state, plan, waveform, PDF, DICOMDIR ...",
    "no-pixels": "A DICOM image without pixel data.",
    "refers-elsewhere": "The file's header names other files that hold its pixels.",
    "transfer-syntax": "The DICOM transfer syntax is unknown, or is a video.",
    "missing-codec": "The decoder for the transfer syntax is not installed; the sentence names the package.",
    "pixels": "The pixel data cannot be decoded, or are another picture than the header describes.",
    "damaged": "The picture or volume is cut short or damaged.",
    "photometric": "The photometric interpretation cannot be shown, or has no physical values.",
    "rescale": "The modality rescale is no usable scale.",
    "window": "The file's VOI window is impossible; a window of one's own helps.",
    "dimensions": "A volume has other dimensions or values than two or three of numbers.",
    "no-such-frame": "The file has no frame of that number.",
    "no-such-slice": "The file has no slice or page of that number.",
    "file-count": "One file was expected for one case.",
    "time-limit": "Decoding took longer than a decoding worker may.",
    "memory-limit": "Decoding needed more memory than a decoding worker may have.",
    "crashed": "The decoder died of this file.",
}
"""Code -> meaning."""

SKIPPED = frozenset({"not-an-image"})
"""Codes of files that nobody expects an answer for; a batch counts them as skipped, not as rejected."""
