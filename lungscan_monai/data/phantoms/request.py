"""Which picture is wanted, and the independent sources of chance behind it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_ANATOMY, _DISEASE, _TAKING, _STORING = range(4)


@dataclass(frozen=True)
class Request:
    """One picture of one simulated patient.

    Anatomy, disease and the taking of the picture draw from separate streams: what a patient looks like and how a
    picture is exposed cannot depend on the label, and a diseased patient has a healthy twin.

    Args:
        seed: Seed of the whole set.
        patient: Patient's number.
        image: Number of the picture among the patient's, from 1.
        size: Rows and columns.
        contrast: Multiplies the strength of every finding.
    """

    seed: int
    patient: int
    image: int
    size: int
    contrast: float = 1.0

    def anatomy(self) -> np.random.Generator:
        """Return the source of the patient's anatomy, the same for all pictures of a patient."""
        return np.random.default_rng((self.seed, self.patient, _ANATOMY))

    def disease_seed(self) -> tuple[int, ...]:
        """Return the seed of the patient's findings, the same for all pictures of a patient."""
        return (self.seed, self.patient, _DISEASE)

    def taking(self) -> np.random.Generator:
        """Return the source of position, exposure and noise of this one picture."""
        return np.random.default_rng((self.seed, self.patient, _TAKING, self.image))

    def storing(self) -> np.random.Generator:
        """Return the source of how this one picture is stored."""
        return np.random.default_rng((self.seed, self.patient, _STORING, self.image))
