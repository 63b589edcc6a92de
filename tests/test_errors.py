import inspect
import pickle

import pytest

from lungscan_monai import errors

CLASSES = [value for _, value in inspect.getmembers(errors, inspect.isclass) if issubclass(value, errors.LungScanError)]


@pytest.mark.parametrize("error", CLASSES, ids=lambda cls: cls.__name__)
def test_every_error_stands_in_the_drawn_tree(error):
    assert error.__name__ in errors.__doc__


@pytest.mark.parametrize(
    "error",
    [
        errors.ReadError("a.dcm", "truncated", "it ends early"),
        errors.DatalistError("t.csv", ["one", "two"]),
        errors.NetworkError("pacs: is busy", retryable=True, retry_after=3.0),
    ],
)
def test_an_error_travels_between_processes(error):
    copy = pickle.loads(pickle.dumps(error))
    assert (type(copy), str(copy), vars(copy)) == (type(error), str(error), vars(error))
