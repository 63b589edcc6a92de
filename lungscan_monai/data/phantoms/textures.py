"""Random textures: what anatomy and scanners add at every scale."""

from __future__ import annotations

import numpy as np


def power_law_noise(seed: int, size: int, exponent: float) -> np.ndarray:
    """Draw noise whose power falls with the spatial frequency `f` as ``1 / f^exponent``.

    Anatomy behind a finding has such a spectrum with an exponent near 3 (A. E. Burgess, "Statistically defined
    backgrounds: performance of a modified nonprewhitening observer model", J. Opt. Soc. Am. A 11, 1994).

    Args:
        seed: Seed; the same seed gives the same picture.
        size: Rows and columns.
        exponent: Fall of the power.

    Returns:
        Values of mean 0 and standard deviation 1, shape ``(size, size)``, float32.
    """
    white = np.random.default_rng(seed).standard_normal((size, size), dtype=np.float32)
    frequency = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)[None, :])
    frequency[0, 0] = np.inf
    shaped = np.fft.irfft2(np.fft.rfft2(white) * frequency ** (-exponent / 2.0), s=(size, size))
    return ((shaped - shaped.mean()) / shaped.std()).astype(np.float32)
