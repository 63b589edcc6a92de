"""From attenuation integrals to the picture of a radiographic detector."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter

from lungscan_monai.data.phantoms.projection import Grid


@dataclass(frozen=True)
class Exposure:
    """How one radiograph is taken; drawn without a look at the label.

    Args:
        view: ``"PA"`` or ``"AP"``.
        energy_kev: Effective energy in keV.
        photons: Photons per cm2 that reach the detector through air.
        scatter: Scattered over primary radiation behind the grid.
        sharpness: Standard deviation of the detector's blur in cm.
        detail: Weight of the structures below `4 cm` against the larger ones in the processing for display.
        gamma: Exponent of the display curve.
        latitude: How far the display window reaches beyond the darkest and the brightest tissue, in shares of their
            difference.
        margin: Width of the picture over the inner width of the patient's thorax.
        tilt: Turn of the picture in radians.
        rotation: Turn of the patient about the upright axis in radians.
        centre: Middle of the picture ``(x, z)`` in cm.
        collimation: Shutters at the top, right, bottom and left edge in cm; 0 for none.
    """

    view: str
    energy_kev: float
    photons: float
    scatter: float
    sharpness: float
    detail: float
    gamma: float
    latitude: tuple[float, float]
    margin: float
    tilt: float
    rotation: float
    centre: tuple[float, float]
    collimation: tuple[float, float, float, float]


def draw_exposure(rng: np.random.Generator) -> Exposure:
    """Draw the settings of one radiograph."""
    portable = bool(rng.random() < 0.35)
    return Exposure(
        view="AP" if portable else "PA",
        energy_kev=rng.uniform(52.0, 60.0) if portable else rng.uniform(57.0, 68.0),
        photons=float(np.exp(rng.uniform(np.log(4e5), np.log(6e6)))),
        scatter=rng.uniform(0.25, 0.6) if portable else rng.uniform(0.1, 0.35),
        sharpness=rng.uniform(0.05, 0.10),
        detail=rng.uniform(1.6, 2.4),
        gamma=rng.uniform(0.75, 1.35),
        latitude=(rng.uniform(-0.02, 0.16), rng.uniform(-0.08, 0.12)),
        margin=rng.uniform(1.14, 1.44),
        tilt=rng.normal(0.0, 0.035),
        rotation=rng.normal(0.0, 0.03),
        centre=(rng.normal(0.0, 1.0), rng.uniform(-2.5, 1.5)),
        collimation=tuple(np.where(rng.random(4) < 0.15, rng.uniform(0.3, 1.6, 4), 0.0).tolist()),
    )


def detect(tau: np.ndarray, exposure: Exposure, grid: Grid, rng: np.random.Generator) -> np.ndarray:
    """Return the logarithmic signal of the detector: blur, scatter, quantum noise.

    Args:
        tau: Attenuation integral, shape ``(H, W)``.
        exposure: The settings.
        grid: The rays.
        rng: Source of the quantum noise (Poisson).

    Returns:
        Minus the logarithm of the detected share of the photons, shape ``(H, W)``, float32.
    """
    primary = gaussian_filter(np.exp(-tau), exposure.sharpness / grid.pixel)
    scattered = exposure.scatter * gaussian_filter(primary, 3.0 / grid.pixel, truncate=2.0)
    expected = exposure.photons * grid.pixel**2 * (primary + scattered)
    return (-np.log(np.maximum(rng.poisson(expected), 0.5) / (exposure.photons * grid.pixel**2))).astype(np.float32)


def develop(signal: np.ndarray, exposure: Exposure, grid: Grid) -> np.ndarray:
    """Process a logarithmic signal for display: harmonise, window, collimate.

    Returns:
        Grey values in [0, 1], dense tissue bright, shape ``(H, W)``, float32.
    """
    coarse = gaussian_filter(signal, 2.5 / grid.pixel, truncate=2.0)
    harmonised = coarse + exposure.detail * (signal - coarse)
    patient = harmonised[signal > 0.05 * np.percentile(signal, 99.0)]
    low, high = np.percentile(patient, (1.0, 99.3))
    below, above = exposure.latitude
    low, high = low - below * (high - low), high + above * (high - low)
    grey = np.clip((harmonised - low) / max(high - low, 1e-3), 0.0, 1.0) ** exposure.gamma
    grey[_shutters(grid, exposure.collimation)] = 0.0
    return grey.astype(np.float32)


def _shutters(grid: Grid, collimation: tuple[float, float, float, float]) -> np.ndarray:
    top, right, bottom, left = (round(width / grid.pixel) for width in collimation)
    rows, columns = grid.shape
    covered = np.ones(grid.shape, bool)
    covered[top : rows - bottom, left : columns - right] = False
    return covered
