"""Simulated radiographs and CT slices with lesions of known place and kind, for all five tasks.

Nothing here comes from a patient: anatomy is a handful of solids whose paths along the X-rays have closed forms.
"""

from lungscan_monai.data.phantoms.generate import FORMATS, generate_phantoms
from lungscan_monai.data.phantoms.tasks import TASKS, PhantomTask, phantom_task

__all__ = ["FORMATS", "TASKS", "PhantomTask", "generate_phantoms", "phantom_task"]
