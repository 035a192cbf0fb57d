"""The REST API is as its OpenAPI document says, whatever is asked: Schemathesis asks, also for what is not there."""

import json
import re
from typing import Any
from urllib.parse import quote

import pytest
import schemathesis
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.testclient import TestClient

from lgm_core.base.places import places
from lgm_core.runs.store import RunStore
from pages.parts.server.api_document import DOCUMENT
from pages.parts.server.routes import ROUTES
from tests.faults.examples import many
from tests.faults.full_store import RUN, full_store

SCHEMA = schemathesis.openapi.from_dict(DOCUMENT)
OPERATIONS = [operation.ok() for operation in SCHEMA.get_all_operations()]
RUNS = (RUN, "map", "align", "networks", "chosen", "card")
REAL = {  # what is there, for a share of the questions
    "run": RUNS,
    "file": ("000000.webp", "config.json", "status.json", "index.html", "0000.webp", "synthetic.safetensors"),
    "key": ("imagenette-train-0123456789ab",),
    "step": (12, 8, 0),
    "image": (0, 9, 10),
    "method": ("pca", "umap", "tsne"),
    "colour": ("class", "wrong", "rainbow"),
}
ODD = st.one_of(st.text(min_size=1, max_size=300), st.text(alphabet="./\\%\x00\n é0", min_size=1, max_size=20))
NAMES = ODD.filter(lambda name: name not in (".", ".."))  # a client resolves these, and asks for another address


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory):
    cache = tmp_path_factory.mktemp("api")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LGM_CACHE", str(cache))
        full_store(cache)
        app = Starlette(routes=ROUTES)
        app.router.redirect_slashes = False  # a redirection is none of our answers
        with TestClient(app, raise_server_exceptions=False) as found:
            yield found


def asked(client: TestClient, case: Any) -> int:
    """The status of an answer, which has been checked: below 500, and of the documented shape."""
    question = case.as_transport_kwargs(base_url="http://testserver")
    answer = client.request(**{name: value for name, value in question.items() if name != "cookies"})
    case.validate_response(answer)
    assert answer.status_code < 500
    return answer.status_code


def test_every_address_is_documented_and_every_documented_address_is_there():
    assert {re.sub(r":\w+}", "}", route.path) for route in ROUTES} == set(DOCUMENT["paths"])


def test_the_document_is_served(client: TestClient):
    assert client.get("/api/openapi.json").json() == DOCUMENT


@pytest.mark.parametrize("name", RUNS)
def test_what_is_answered_of_real_runs_is_of_the_documented_shape(name: str, client: TestClient):
    seen = [
        asked(client, operation.Case(path_parameters={"run": name}))
        for operation in OPERATIONS
        if operation.path.startswith("/api/runs")
    ]
    assert set(seen) <= {200, 404} and seen.count(404) <= 3  # a map, a comparison, findings: where a run has none


def test_a_comparison_and_findings_are_what_the_run_wrote(client: TestClient):
    for name, what in (("align", "alignment"), ("card", "findings")):
        written = RunStore(places().runs).open(name).path / f"{what}.json"
        assert client.get(f"/api/runs/{name}/{what}").json() == json.loads(written.read_text())


def test_an_answer_of_another_shape_would_be_seen(client: TestClient, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("pages.parts.server.routes.level_facts", lambda run: ("12", [1]))
    case = SCHEMA["/api/runs/{run}/levels"]["GET"].Case(path_parameters={"run": RUN})
    with pytest.raises(BaseExceptionGroup) as found:
        asked(client, case)
    assert '"12" is not of type "integer"' in str(found.value.exceptions[0])


@pytest.mark.examples
@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.path)
def test_whatever_is_asked_is_answered_as_documented(operation: Any, client: TestClient):
    """10,000 questions in `make faults`."""

    @many(650, short=6)
    @given(st.data())
    def ask(data: st.DataObject) -> None:
        case = data.draw(operation.as_strategy())
        for name in case.path_parameters or {}:
            known = st.sampled_from(REAL[name])
            odd = st.one_of(st.integers(), NAMES) if name in ("step", "image") else NAMES
            case.path_parameters[name] = quote(str(data.draw(st.one_of(known, known, odd))), safe="")
        if case.query:
            case.query["offset"] = data.draw(st.one_of(st.integers(0, 5000), st.integers(), st.text()))
        asked(client, case)

    ask()
