"""What `client.models.find` gives: a list, which notebooks show as a table and pandas takes."""

from __future__ import annotations

import sys
from html.parser import HTMLParser

import pytest

from melious.catalogue import ModelCard, ModelCards, Selection, all_models
from melious.sandbox import Fault


class Table(HTMLParser):
    """The cells of a table, by row."""

    def __init__(self, html):
        super().__init__()
        self.rows: list[list[str]] = []
        self.tags: set[str] = set()
        self._in_cell = False
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        if tag == "tr":
            self.rows.append([])
        self._in_cell = tag in ("th", "td")
        if self._in_cell:
            self.rows[-1].append("")

    def handle_endtag(self, tag):
        if tag in ("th", "td"):
            self._in_cell = False

    def handle_data(self, data):
        if self._in_cell:
            self.rows[-1][-1] += data


def test_a_notebook_shows_a_table(clients, sandbox):
    found = clients.call(clients.client(sandbox), "models.find", type="embeddings", order_by="name")
    assert isinstance(found, list)
    html = found._repr_html_()
    header, *rows = Table(html).rows
    assert header[:4] == ["model", "type", "context", "EUR in"]
    assert [row[0] for row in rows] == [card.id for card in found]
    assert ["bge-m3", "embeddings", "8,192", "0.01", "-", "no", "no", "no"] in rows
    assert f"{len(found)} model" in html
    assert "EUR per million tokens. ? = unknown." in html


def test_names_cannot_write_html(clients, sandbox):
    name = "<script>alert(1)</script>"
    sandbox.faults.add(
        Fault(
            endpoint="models",
            body={"object": "list", "data": [{"id": name, "object": "model", "_meta": {"type": "<b>"}}]},
        )
    )
    html = clients.call(clients.client(sandbox), "models.find", max_age=0)._repr_html_()
    table = Table(html)
    assert table.rows[1][:2] == [name, "<b>"]
    assert not table.tags & {"script", "b"}


def test_pandas_gets_a_row_for_each_model_and_unknown_is_not_zero():
    pandas = pytest.importorskip("pandas")
    found = Selection(order_by="price").of(all_models())
    frame = found.to_pandas()
    assert list(frame["id"]) == [card.id for card in found]
    assert frame["input_cost"].dtype == "Float64"
    row = frame.set_index("id").loc["bge-m3"]
    assert (row["input_cost"], row["dimensions"], row["type"]) == (0.01, 1024, "embeddings")
    assert row["output_cost"] is pandas.NA
    assert not row["vision"]
    assert len(ModelCards().to_pandas()) == 0


def test_without_pandas_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match=r"melious\[pandas\]"):
        ModelCards([]).to_pandas()


def test_it_is_an_ordinary_list():
    found = Selection(type="rerank").of(all_models())
    assert found == [card for card in all_models() if card.type == "rerank"]
    assert isinstance(found[0], ModelCard)
