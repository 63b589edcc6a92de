"""Who meets whom over TLS."""

from __future__ import annotations

import pytest
from certificates import Person, make_people


@pytest.fixture(scope="session")
def people(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Person]:
    """The node, the PACS and a stranger, each with a certificate."""
    return make_people(tmp_path_factory.mktemp("tls"))
