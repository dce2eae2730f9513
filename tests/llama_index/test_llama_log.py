"""The log: one line for each request, with what it cost, whichever class sends it."""

import logging
import re

from llama_index.core.schema import NodeWithScore, TextNode


def test_each_class_has_a_line_for_each_request(make_llm, make_embedding, make_rerank, caplog):
    caplog.set_level(logging.INFO, "melious")
    make_llm(flavor="eco").complete("Hello")
    for _ in make_llm().stream_complete("Hello"):
        pass
    make_embedding().get_text_embedding_batch(["a secret text", "another"])
    nodes = [NodeWithScore(node=TextNode(text=text)) for text in ("a secret text", "another")]
    make_rerank().postprocess_nodes(nodes, query_str="secret")
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
