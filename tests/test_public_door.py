import subprocess
import sys

import pytest

import lungscan_monai


@pytest.mark.parametrize("name", lungscan_monai.__all__)
def test_the_door_gives_what_it_names(name):
    assert getattr(lungscan_monai, name).__name__ == name


def test_nothing_else_comes_through():
    with pytest.raises(AttributeError, match="Trainer"):
        _ = lungscan_monai.Trainer


def test_opening_the_package_loads_nothing_heavy():
    code = "import sys, lungscan_monai; sys.exit('torch' in sys.modules or 'numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
