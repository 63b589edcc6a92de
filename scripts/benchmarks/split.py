"""How long it takes to read and split a table as large as ChestX-ray14's, and how good the split is.

Run ``python scripts/benchmarks/split.py Data_Entry_2017_v2020.csv`` (``.csv.gz`` too); without a table, one of the same
size is made up. Images are not needed: empty files stand for them. Times are those of the processor, so that a busy
machine does not count. The goal is under 10 s for 112,120 films of 30,805 patients on one core, with no patient in two
sections.
"""

from __future__ import annotations

import argparse
import csv
import random
import tempfile
import time
from pathlib import Path

import numpy as np

from lungscan_monai.data.datalist import SECTIONS, Datalist, load_datalist, patient_leaks
from lungscan_monai.data.importing import DEFAULT_FRACTIONS, divided
from lungscan_monai.data.line_defects import LineDefects
from lungscan_monai.data.table_rows import read_rows
from lungscan_monai.data.tables import TableOptions, read_table

FILMS, PATIENTS = 112_120, 30_805
FINDINGS = {
    "Infiltration": 0.177,
    "Effusion": 0.119,
    "Atelectasis": 0.103,
    "Nodule": 0.056,
    "Mass": 0.052,
    "Pneumothorax": 0.047,
    "Consolidation": 0.042,
    "Pleural_Thickening": 0.030,
    "Cardiomegaly": 0.025,
    "Emphysema": 0.022,
    "Edema": 0.021,
    "Fibrosis": 0.015,
    "Pneumonia": 0.013,
    "Hernia": 0.002,
}
"""Findings of ChestX-ray14 and their shares of the films."""


def made_up_table(path: Path) -> None:
    """Write a table with as many films, patients and findings, which fall as chance will have it."""
    draw = random.Random(0)
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["Image Index", "Finding Labels", "Patient ID"])
        for film in range(FILMS):
            found = [name for name, share in FINDINGS.items() if draw.random() < share]
            patient = film if film < PATIENTS else int(PATIENTS * draw.random() ** 2)
            writer.writerow([f"{patient:08d}_{film}.png", "|".join(found) or "No Finding", patient])


def worst_share(datalist: Datalist) -> float:
    """Return how far a finding's share in a section is from the wanted one at most, relative to it."""
    counts = np.stack([np.sum([case.label for case in datalist.cases(section)], axis=0) for section in SECTIONS])
    wanted = np.outer(DEFAULT_FRACTIONS, counts.sum(axis=0))
    return float((np.abs(counts - wanted) / wanted).max())


def main() -> None:
    """Print the times of each step and what is to be said about the split."""
    parser = argparse.ArgumentParser()
    parser.add_argument("table", type=Path, nargs="?", help="Data_Entry_2017_v2020.csv; one is made up without it")
    given = parser.parse_args().table
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        table = given or folder / "table.csv"
        if given is None:
            made_up_table(table)
        for row in read_rows(table, {}, None, LineDefects()):
            (folder / row.image).touch()
        times = [time.process_time()]
        listing = read_table(table, kind="multilabel", options=TableOptions(image_dir=folder, use_split=False))
        times.append(time.process_time())
        datalist = divided(listing)
        times.append(time.process_time())
        datalist.save(folder / "datalist.json")
        saved = load_datalist(folder / "datalist.json")
        times.append(time.process_time())
    read, split, written = np.diff(times)
    patients = len({case.patient for case in saved.cases()})
    print(f"{len(saved):,} films of {patients:,} patients, {len(saved.labels)} findings")
    print(f"read the table and find the images {read:6.1f} s")
    print(f"split by patient                   {split:6.1f} s")
    print(f"write, read and check the datalist {written:6.1f} s")
    print(f"all                                {read + split + written:6.1f} s")
    print(f"patients in two sections: {len(patient_leaks(saved.sections))}")
    print(f"a finding's share in a section is off by at most {worst_share(saved):.2%} of it")


if __name__ == "__main__":
    main()
