"""How many threads a pass takes."""

from __future__ import annotations

import pytest

from lungscan_monai.inference.backends.base import missing_package, threads_wanted


@pytest.mark.parametrize(
    ("variable", "given", "expected"), [("3", None, 3), ("3", 2, 2), ("", None, 0), ("no", None, 0)]
)
def test_threads_are_those_given_or_those_of_the_environment(variable, given, expected, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", variable)
    assert threads_wanted(given) == expected


def test_a_missing_package_is_named_with_its_extra():
    assert "pip install 'lungscan-monai[openvino]'" in str(missing_package("openvino", "openvino", "openvino"))
