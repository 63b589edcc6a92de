"""The service against its own OpenAPI page: whatever is sent, no 5xx, and only answers that the page describes."""

from __future__ import annotations

import io
import threading
import zipfile
from collections import Counter

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from schemathesis.checks import not_a_server_error
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from lungscan_monai.apps.desk import Desk
from lungscan_monai.apps.models import ModelStore
from lungscan_monai.apps.serving import ServiceSettings, bound_socket, create_app, server_of, url_of
from tests.bombs import file_of, image
from tests.small_bundle import small_bundle

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    unsupported_method,
]
EXAMPLES = {"GET": 5, "POST": 250}


def some_files() -> list[bytes]:
    """A picture, a DICOM file, an archive of both, and their beginnings."""
    picture, archive = io.BytesIO(), io.BytesIO()
    Image.new("L", (30, 20), 99).save(picture, "PNG")
    dicom = file_of(image(30, 20))
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr("a/1", picture.getvalue())
        packed.writestr("../2", dicom)
    whole = [picture.getvalue(), dicom, archive.getvalue()]
    return [*whole, *(content[: len(content) // 2] for content in whole)]


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    schemathesis.openapi.format("binary", st.one_of(st.sampled_from(some_files()), st.binary()))
    root = small_bundle(tmp_path_factory.mktemp("fuzzed"))
    with ModelStore([root]) as store, Desk(8, 60) as desk, bound_socket("127.0.0.1", 0) as line:
        server = server_of(create_app(store, ServiceSettings(), desk), 5)
        thread = threading.Thread(target=server.run, args=([line],))
        thread.start()
        described = httpx.get(f"{url_of(line)}/openapi.json").json()
        for schema in described["components"]["schemas"].values():
            if "file" in schema["properties"] and schema["title"].startswith("Body_"):
                schema["properties"]["file"]["items"]["format"] = "binary"  # where our files come in
        made = schemathesis.openapi.from_dict(described)
        made.config.update(base_url=url_of(line))
        yield made
        server.should_exit = True
        thread.join()


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/health"), ("GET", "/metrics"), ("GET", "/v1/models"), ("POST", "/v1/predict"), ("POST", "/v1/explain")],
)
def test_the_service_does_what_its_page_says(page, method, path):
    statuses: Counter[int] = Counter()
    modes = list(GenerationMode) if method == "POST" else [GenerationMode.POSITIVE]

    @settings(max_examples=EXAMPLES[method], deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(st.one_of([page[path][method].as_strategy(generation_mode=mode) for mode in modes]))
    def check(case):
        statuses[case.call_and_validate(checks=CHECKS).status_code] += 1

    check()
    assert statuses[200] and not [status for status in statuses if status >= 500]
    assert statuses[422] or method == "GET"


def test_the_page_was_tried_as_a_whole(page):
    assert {found.ok().path for found in page.get_all_operations()} == set(page.raw_schema["paths"])
    assert len(page.raw_schema["paths"]) == 5
