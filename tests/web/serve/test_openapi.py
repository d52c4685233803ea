"""The API's description says what the server does, and the page shows all of it."""

import json
from collections.abc import Iterator
from html import unescape

import pytest
from serving import Served, png, served

from deblur_jax.web.serve.limits import Limits
from deblur_jax.web.serve.options import NAMES


@pytest.fixture(scope="module")
def server() -> Iterator[Served]:
    with served(limits=Limits(megabytes=3, megapixels=7)) as running:
        yield running


@pytest.fixture(scope="module")
def document(server: Served) -> dict:
    answer = server.ask("GET", "/api/openapi.json")
    assert answer.headers["content-type"] == "application/json"
    return dict(answer.json)


def operations(document: dict) -> list[tuple[str, str, dict]]:
    return [
        (path, method, it)
        for path, methods in document["paths"].items()
        for method, it in methods.items()
    ]


def test_it_has_what_the_standard_demands(document: dict) -> None:
    assert document["openapi"].startswith("3.1.")
    assert {"title", "version"} <= set(document["info"])
    names = [it["operationId"] for _, _, it in operations(document)]
    assert len(set(names)) == len(names)
    for path, _, it in operations(document):
        assert path.startswith("/")
        assert it["responses"]
        for response in it["responses"].values():
            assert response["description"]
        for parameter in it.get("parameters", []):
            assert parameter["in"] in ("query", "header", "path")
            assert "type" in parameter["schema"]
            assert parameter.get("required", False) == (f"{{{parameter['name']}}}" in path)
    assert json.loads(json.dumps(document)) == document


def test_every_address_is_there(server: Served, document: dict) -> None:
    for path, method, it in operations(document):
        answer = server.ask(method.upper(), path.replace("{ticket}", "some-ticket"))
        assert str(answer.status) in it["responses"], path


def test_the_options_are_those_that_are_read(document: dict) -> None:
    parameters = document["paths"]["/api/restore"]["post"]["parameters"]
    assert [each["name"] for each in parameters if each["in"] == "query"] == list(NAMES)


def test_every_format_that_it_names_can_be_had(server: Served, document: dict) -> None:
    post = document["paths"]["/api/restore"]["post"]
    (wanted,) = (each for each in post["parameters"] if each["name"] == "format")
    kinds = set()
    for name in wanted["schema"]["enum"]:
        answer = server.restore(png(), f"?format={name}")
        assert answer.status == 200
        kinds.add(answer.headers["content-type"])
        assert set(map(str.lower, post["responses"]["200"]["headers"])) <= set(answer.headers)
    assert kinds == set(post["responses"]["200"]["content"])


@pytest.mark.parametrize("path", ["/api/queue", "/api/queue/{ticket}", "/healthz"])
def test_the_answers_have_the_fields_that_it_names(
    server: Served, document: dict, path: str
) -> None:
    told = server.ask("GET", path.replace("{ticket}", "some-ticket")).json
    answer = document["paths"][path]["get"]["responses"]["200"]
    schema = answer["content"]["application/json"]["schema"]
    types = {"integer": int, "number": (int, float), "string": str, "boolean": bool, "object": dict}
    for name, field in schema["properties"].items():
        assert isinstance(told[name], types[field["type"]]), name


def test_the_limits_are_these(document: dict) -> None:
    body = document["paths"]["/api/restore"]["post"]["requestBody"]["description"]
    assert "3 MB" in body
    assert "7 megapixels" in body


def test_the_page_shows_all_of_it(server: Served, document: dict) -> None:
    answer = server.ask("GET", "/api", headers={"Host": "localhost:81"})
    assert answer.headers["content-type"].startswith("text/html")
    page = unescape(answer.body.decode())
    for path, _, it in operations(document):
        assert path in page
        assert it["summary"] in page
        assert it["x-example"].replace("HOST", "http://localhost:81") in page
        for parameter in it.get("parameters", []):
            assert parameter["description"] in page
        for response in it["responses"].values():
            assert response["description"] in page


def test_the_pages_ask_nobody_else(server: Served) -> None:
    for path in ("/", "/api"):
        page = server.ask("GET", path).body.decode()
        for name in ("src", "href"):
            for address in (part.split('"')[0] for part in page.split(f'{name}="')[1:]):
                assert ":" not in address, address
                assert not address.startswith("//")
        assert "style=" not in page  # the policy would drop it
        assert "onclick" not in page
