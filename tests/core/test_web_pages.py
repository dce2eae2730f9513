"""A web page in place of an answer: its title is named, its markup is not shown."""

from __future__ import annotations

import pytest

from melious import MeliousError, ModelNotFoundError, NotFoundError, ProviderError, ResponseDecodeError
from melious.sandbox import Fault

from .clients import CHAT, QUESTION

NOT_FOUND = """<!DOCTYPE HTML>
<html lang="en"><head><title>Error &amp;
 response</title></head>
<body><p>Nothing matches the given URI, nor is there a model.</p></body></html>"""


@pytest.mark.parametrize(
    ("status", "page", "kind", "said"),
    [
        (404, NOT_FOUND, NotFoundError, "chat answered 404 with a web page, 'Error & response' (404"),
        (502, "<html><h1>502 Bad Gateway</h1>", ProviderError, "with a web page, '502 Bad Gateway'"),
        (
            404,
            "  <body>nothing <b>here</b><script>x</script>",
            NotFoundError,
            "a web page, 'nothing here' (404",
        ),
        (404, "<html></html>", NotFoundError, "chat answered 404 with a web page (404"),
    ],
)
def test_a_page_is_named_by_its_title(clients, sandbox, status, page, kind, said):
    sandbox.faults.add(Fault(status=status, body=page, content_type="text/html", times=None))
    client = clients.client(sandbox, max_retries=0)
    with pytest.raises(kind) as caught:
        clients.call(client, "chat.create", model=CHAT, messages=QUESTION)
    assert said in str(caught.value)
    assert "<" not in str(caught.value)
    assert caught.value.body == page
    assert not isinstance(caught.value, ModelNotFoundError)


def test_a_wrong_path_is_told_how_a_base_url_ends(clients, sandbox):
    client = clients.client(sandbox, base_url=sandbox.base_url.removesuffix("/v1") + "/v2")
    with pytest.raises(NotFoundError, match="it usually ends in /v1") as caught:
        clients.call(client, "models.list")
    assert caught.value.attempts == 1


def test_a_page_with_status_200_is_told_the_same(clients, sandbox):
    sandbox.faults.add(Fault(body="<html>Welcome</html>", content_type="text/html"))
    with pytest.raises(ResponseDecodeError, match="it usually ends in /v1"):
        clients.call(clients.client(sandbox), "models.list")


def test_text_that_is_no_page_is_shown(clients, sandbox):
    sandbox.faults.add(Fault(status=400, body="<model> is not known", content_type="text/plain"))
    with pytest.raises(MeliousError, match="<model> is not known"):
        clients.call(clients.client(sandbox), "chat.create", model=CHAT, messages=QUESTION)
