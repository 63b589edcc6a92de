"""Chest radiographs with the findings asked for."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lungscan_monai.data.phantoms.chest import draw_chest
from lungscan_monai.data.phantoms.exposure import detect, develop, draw_exposure
from lungscan_monai.data.phantoms.findings import FINDINGS, render_findings
from lungscan_monai.data.phantoms.materials import materials_at
from lungscan_monai.data.phantoms.picture import Picture
from lungscan_monai.data.phantoms.projection import make_grid
from lungscan_monai.data.phantoms.request import Request

NIH_FINDINGS = FINDINGS[:14]
NO_FINDING = "No Finding"
_COMPANIONS = {
    "Atelectasis": (("Effusion", 0.3),),
    "Cardiomegaly": (("Edema", 0.25), ("Effusion", 0.2)),
    "Edema": (("Cardiomegaly", 0.3), ("Effusion", 0.3)),
    "Effusion": (("Atelectasis", 0.3), ("Consolidation", 0.15)),
    "Emphysema": (("Pneumothorax", 0.2),),
    "Fibrosis": (("Pleural_Thickening", 0.25),),
    "Infiltration": (("Nodule", 0.15),),
    "Mass": (("Nodule", 0.3),),
    "Pneumonia": (("Infiltration", 0.2), ("Effusion", 0.15)),
}


def chest_xray(request: Request, findings: Sequence[str]) -> Picture:
    """Take a radiograph of a patient with the given findings (of :data:`FINDINGS`); none is a healthy one."""
    taking = request.taking()
    chest, exposure = draw_chest(request.anatomy()), draw_exposure(taking)
    width = 2.0 * exposure.margin * chest.lung_width
    grid = make_grid(request.size, width, exposure.tilt, exposure.centre)
    materials = materials_at(exposure.energy_kev)
    diseased = render_findings(
        chest, findings, request.disease_seed(), materials, grid, exposure.rotation, request.contrast
    )
    grey = develop(detect(diseased.tau, exposure, grid, taking), exposure, grid)
    facts = {"sex": chest.sex, "age": chest.age, "view": exposure.view}
    return Picture("DX", grey, 10.0 * grid.pixel, "CHEST", diseased.masks, facts=facts)


def findings_with_companions(request: Request, stratum: str) -> tuple[str, ...]:
    """Return a finding and those that it brings along at times, in the order of ChestX-ray14; none for no finding."""
    if stratum == NO_FINDING:
        return ()
    rng = np.random.default_rng((*request.disease_seed(), len(FINDINGS)))
    companions = {name for name, chance in _COMPANIONS.get(stratum, ()) if rng.random() < chance}
    return tuple(name for name in NIH_FINDINGS if name == stratum or name in companions)
