"""Linear attenuation coefficients of the tissues that the radiographs are made of.

Mass attenuation coefficients (cm2/g) and densities (g/cm3) are those of J. H. Hubbell and S. M. Seltzer, "Tables of
X-Ray Mass Attenuation Coefficients", NISTIR 5632 (NIST Standard Reference Database 126), tables 2 and 4, rounded, for
the ICRU-44 tissues. Only the density of the lung is ours: 0.26 g/cm3, an inflated lung as ICRU-44 gives it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lungscan_monai.errors import ConfigError

_ENERGIES_KEV = (50.0, 60.0, 80.0)
_DENSITY = {"air": 0.0012, "lung": 0.26, "fat": 0.95, "soft": 1.06, "cortical": 1.92}
_MASS_ATTENUATION = {
    "air": (0.2080, 0.1875, 0.1662),
    "lung": (0.2270, 0.2053, 0.1826),
    "fat": (0.2123, 0.1974, 0.1800),
    "soft": (0.2264, 0.2048, 0.1823),
    "cortical": (0.4242, 0.3148, 0.2229),
}
_SPONGY_SHARE = 0.22


@dataclass(frozen=True)
class Materials:
    """Linear attenuation coefficients in 1/cm at one effective energy.

    Args:
        air: Air at sea level.
        lung: Inflated lung.
        fat: Adipose tissue.
        soft: Muscle, blood, organs.
        cortical: Compact bone.
        spongy: Trabecular bone: 22 % compact bone by volume, the rest soft tissue.
    """

    air: float
    lung: float
    fat: float
    soft: float
    cortical: float
    spongy: float


def materials_at(energy_kev: float) -> Materials:
    """Return the attenuation coefficients at an effective energy, interpolated on logarithmic axes.

    Args:
        energy_kev: Effective energy of the beam, 50 to 80 keV (tube voltages of about 80 to 140 kV, filtered).

    Raises:
        ConfigError: If the energy lies outside of the table.

    Example:
        >>> round(materials_at(60.0).soft, 3)
        0.217
    """
    if not _ENERGIES_KEV[0] <= energy_kev <= _ENERGIES_KEV[-1]:
        raise ConfigError(f"energy_kev is {energy_kev}, expected {_ENERGIES_KEV[0]} to {_ENERGIES_KEV[-1]} keV")
    mu = {
        name: _DENSITY[name] * float(np.exp(np.interp(np.log(energy_kev), np.log(_ENERGIES_KEV), np.log(values))))
        for name, values in _MASS_ATTENUATION.items()
    }
    return Materials(**mu, spongy=_SPONGY_SHARE * mu["cortical"] + (1.0 - _SPONGY_SHARE) * mu["soft"])
