from __future__ import annotations

import sys
from types import ModuleType

import pytest

from lungscan_monai.data import kaggle
from lungscan_monai.data.importing import import_dataset
from lungscan_monai.errors import ConfigError, DataError, MissingDependencyError


@pytest.fixture
def kagglehub(monkeypatch, tmp_path):
    """A stand-in for the package, which "downloads" a folder that is there."""
    package, exceptions = ModuleType("kagglehub"), ModuleType("kagglehub.exceptions")
    for name in ("BackendError", "DataCorruptionError", "UnauthenticatedError"):
        setattr(exceptions, name, type(name, (Exception,), {}))
    package.exceptions, package.asked = exceptions, []

    def dataset_download(handle):
        package.asked.append(handle)
        return str(tmp_path / "cache")

    package.dataset_download = dataset_download
    monkeypatch.setitem(sys.modules, "kagglehub", package)
    monkeypatch.setitem(sys.modules, "kagglehub.exceptions", exceptions)
    return package


def test_a_data_set_is_downloaded_and_imported(kagglehub, tmp_path):
    for label in ("Cyst", "Normal", "Stone", "Tumor"):
        folder = tmp_path / "cache" / "CT-KIDNEY" / "CT-KIDNEY" / label
        folder.mkdir(parents=True)
        for number in range(20):
            (folder / f"{label}- ({number}).jpg").write_bytes(f"{label}{number}".encode())
    imported = import_dataset(
        "kaggle:owner/ct-kidney",
        output=tmp_path / "datalist.json",
        labels=["Cyst", "Normal", "Stone", "Tumor"],
    )
    assert kagglehub.asked == ["owner/ct-kidney"]
    assert len(imported.datalist) == 80


def test_a_version_may_be_named(kagglehub, tmp_path):
    assert kaggle.download("kaggle:owner/set/versions/2") == tmp_path / "cache"
    assert kagglehub.asked == ["owner/set/versions/2"]


@pytest.mark.parametrize("source", ["kaggle:", "kaggle:owner", "kaggle:a/b/c", "kaggle:https://www.kaggle.com/a/b"])
def test_what_names_no_data_set_is_refused(kagglehub, source):
    with pytest.raises(ConfigError, match="expected kaggle:owner/dataset"):
        kaggle.download(source)
    assert kagglehub.asked == []


@pytest.mark.parametrize("name", ["ConnectionError", "BackendError", "UnauthenticatedError", "DataCorruptionError"])
def test_a_failed_download_tells_the_page_and_another_way(kagglehub, name):
    error = ConnectionError if name == "ConnectionError" else getattr(kagglehub.exceptions, name)

    def fail(handle):
        raise error("no answer\nand much more")

    kagglehub.dataset_download = fail
    with pytest.raises(DataError, match=r"no answer.*https://www\.kaggle\.com/datasets/a/b .* import the folder"):
        kaggle.download("kaggle:a/b")


def test_without_the_package_its_installation_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "kagglehub", None)
    with pytest.raises(MissingDependencyError, match=r"lungscan-monai\[kaggle\]"):
        kaggle.download("kaggle:a/b")
