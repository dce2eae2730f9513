"""The log: one line for each request, with what it cost, whichever class sends it."""

import logging
import re


def test_each_class_has_a_line_for_each_request(way, chat, embeddings, rerank, caplog):
    caplog.set_level(logging.INFO, "melious")
    way.invoke(chat(), "Hello", flavor="eco")
    way.stream(chat(), "Hello")
    way.call(embeddings(), "embed_documents", ["a secret text", "another"])
    way.call(rerank(), "rerank", ["a secret text", "another"], "secret")
    lines = [record.getMessage() for record in caplog.records if record.name == "melious"]
    kinds = [re.match(r"(\w+) \S+( \(eco\))?( streamed)?: ", line).groups() for line in lines]
    assert kinds == [
        ("chat", " (eco)", None),
        ("chat", None, " streamed"),
        ("embeddings", None, None),
        ("rerank", None, None),
    ]
    for whole in (lines[0], lines[2], lines[3]):
        assert re.search(
            r"; [\w-]+ in [A-Z]{2}; [\d,]+ tokens in.*; [\d.,]+ [µm]?€; [\d.,]+ [µm]?g CO₂; simulated;", whole
        )
    assert "not reported: provider, cost, CO₂" in lines[1]
    assert "secret" not in caplog.text
