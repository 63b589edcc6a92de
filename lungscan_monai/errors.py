"""Every error that the toolkit raises on purpose.

The tree::

    LungScanError
    ├── ConfigError                 a config, a task or an override is wrong
    │   ├── TaskError               metadata.json does not describe a task
    │   ├── UnknownOverrideError    an override names something that no config has
    │   └── BundleNotFoundError     no bundle of that name or at that path
    ├── DataError                   the data given cannot be used
    │   ├── DatalistError           a table, folder or datalist has defects (all of them listed)
    │   ├── SplitError              the cases cannot be split as asked
    │   └── ReadError               one image cannot be read
    ├── MetricError                 a number cannot be computed
    │   ├── ShapeError              the arrays do not fit together
    │   └── NotComputableError      the data do not define the number (one class only, no case)
    ├── WeightsError                weights are missing, or belong to another network
    ├── CheckpointError             a stored file is damaged, or does not match its manifest
    ├── TrainingError
    │   └── NonFiniteLossError      the loss became NaN or infinite
    ├── SaliencyError               a network, layer or class that cannot be explained
    ├── OutputError                 a result cannot be written where it was asked for
    ├── NetworkError                a PACS or another peer cannot be reached, or refuses
    ├── BackendError                a backend does not answer as PyTorch does
    └── MissingDependencyError      an optional package is not installed, or does not fit

Each class says with which exit code the command line ends when it meets one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

_ERROR_OF_A_WORKER = re.compile(r"^(?:Original )?lungscan_monai\.errors\.\w+: (.+)$", re.MULTILINE)


class LungScanWarning(UserWarning):
    """Something that the user should know and that did not stop the work."""


class LungScanError(Exception):
    """Base of all errors raised on purpose; its message names what was expected, what came, and where."""

    exit_code = 1


class ConfigError(LungScanError, ValueError):
    """A configuration is wrong."""

    exit_code = 4


class TaskError(ConfigError):
    """A `metadata.json` does not describe a task."""


class UnknownOverrideError(ConfigError):
    """An override names something that no config of the bundle has."""


class BundleNotFoundError(ConfigError):
    """There is no bundle of that name, or at that path."""


class DataError(LungScanError, ValueError):
    """The data given cannot be used."""

    exit_code = 5


class DatalistError(DataError):
    """A table, a folder or a datalist has defects.

    Args:
        source: What was read: a file or folder name.
        defects: One sentence for each defect; all of them, so that one look mends everything.
    """

    def __init__(self, source: str, defects: Sequence[str]) -> None:
        self.source = source
        self.defects = tuple(defects)
        lines = "\n".join(f"  - {defect}" for defect in self.defects)
        super().__init__(f"{source}: {len(self.defects)} defect(s), nothing was written:\n{lines}")

    def __reduce__(self) -> tuple[type, tuple]:
        """Let the error travel between processes."""
        return type(self), (self.source, self.defects)


class SplitError(DataError):
    """The cases cannot be split as asked."""


class ReadError(DataError):
    """One image cannot be read.

    Args:
        source: File name (never a patient's name).
        code: Short machine-readable reason, for instance ``"truncated"``.
        reason: One sentence.
    """

    def __init__(self, source: str, code: str, reason: str) -> None:
        self.source = source
        self.code = code
        self.reason = reason
        super().__init__(f"{source}: {reason} [{code}]")

    def __reduce__(self) -> tuple[type, tuple]:
        """Let the error travel between processes."""
        return type(self), (self.source, self.code, self.reason)


class MetricError(LungScanError, ValueError):
    """A number cannot be computed."""

    exit_code = 5


class ShapeError(MetricError):
    """Arrays do not fit together."""


class NotComputableError(MetricError):
    """The data do not define the number, for instance because only one class is present."""


class WeightsError(LungScanError, RuntimeError):
    """Weights are missing, or belong to another network."""

    exit_code = 6


class CheckpointError(LungScanError, RuntimeError):
    """A stored file is damaged, or does not match its manifest."""

    exit_code = 6


class TrainingError(LungScanError, RuntimeError):
    """Training cannot go on."""

    exit_code = 7


class NonFiniteLossError(TrainingError):
    """The loss became NaN or infinite."""


class SaliencyError(LungScanError, ValueError):
    """A network, a layer or a class that cannot be explained."""

    exit_code = 4


class OutputError(LungScanError, OSError):
    """A result cannot be written where it was asked for."""

    exit_code = 8


class NetworkError(LungScanError, RuntimeError):
    """A peer in the network cannot be reached, or refuses.

    Args:
        message: Which peer, what was asked of it, what came, and how to mend it.
        retryable: Whether the same may go well later without anybody's doing.
        retry_after: Seconds that the peer asked to be left alone for; None if it did not say.
    """

    exit_code = 10

    def __init__(self, message: str, *, retryable: bool, retry_after: float | None = None) -> None:
        self.retryable = retryable
        self.retry_after = retry_after
        super().__init__(message)

    def __reduce__(self) -> tuple:
        """Let the error travel between processes."""
        return _network_error, (str(self), self.retryable, self.retry_after)


class BackendError(LungScanError, RuntimeError):
    """What runs the network does not answer as PyTorch does in float32."""

    exit_code = 11


class MissingDependencyError(LungScanError, ImportError):
    """An optional package is not installed, or an installed one does not fit the others."""

    exit_code = 9


def _network_error(message: str, retryable: bool, retry_after: float | None) -> NetworkError:
    return NetworkError(message, retryable=retryable, retry_after=retry_after)


def own_error(error: BaseException) -> LungScanError | None:
    """Return the first error of ours among an error and those that led to it, None if there is none.

    Of an error in a worker process of a data loader torch keeps nothing but the text; it comes back as a DataError.
    """
    for member in chain_of(error):
        if isinstance(member, LungScanError):
            return member
        if from_worker := _ERROR_OF_A_WORKER.search(str(member)):
            return DataError(from_worker[1])
    return None


def chain_of(error: BaseException) -> list[BaseException]:
    """Return an error, the one that led to it, and so on; the last is where it began."""
    chain: list[BaseException] = []
    current: BaseException | None = error
    while current is not None and current not in chain:
        chain.append(current)
        current = current.__cause__ or (None if current.__suppress_context__ else current.__context__)
    return chain
