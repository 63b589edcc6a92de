"""Why a file could not be brought to the network, as a code and a sentence."""

from __future__ import annotations

from lungscan_monai.errors import DataError, ReadError, chain_of

NOT_READ = (DataError, OSError, RuntimeError)
"""What reading a file raises; a RuntimeError is MONAI's, around whatever a transform of the bundle raised."""


def refusal_of(error: DataError | OSError | RuntimeError) -> tuple[str, str]:
    """Return the code and the sentence for what reading a file raised; neither holds anything of its content.

    Example:
        >>> refusal_of(ReadError("a.dcm", "empty", "has no bytes"))
        ('empty', 'has no bytes')
    """
    if isinstance(error, ReadError):
        return error.code, error.reason
    if isinstance(error, DataError):
        return "not-usable", "the model cannot take such a picture"
    if isinstance(error, OSError):
        return "unreadable", f"disk or file cannot be read ({type(error).__name__})"
    cause = type(chain_of(error)[-1]).__name__
    return "not-usable", f"could not be brought into the form that the network takes ({cause})"
