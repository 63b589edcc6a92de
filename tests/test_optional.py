"""What is missing is named, with the command that installs it."""

from __future__ import annotations

import pytest

from lungscan_monai.errors import MissingDependencyError
from lungscan_monai.optional import require


def test_what_is_installed_passes():
    require("test", "this test", "pytest", "numpy")


def test_a_missing_package_is_named_with_what_installs_it():
    with pytest.raises(
        MissingDependencyError, match=r"a tale needs no_such_package, .*pip install 'lungscan-monai\[tales\]'"
    ):
        require("tales", "a tale", "numpy", "no_such_package")
