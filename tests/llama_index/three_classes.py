"""The classes that make requests: how to make each, and one call of each."""

from typing import Any

from llama_index.core.schema import NodeWithScore, TextNode

from llama_index_melious import Melious, MeliousEmbedding, MeliousRerank

NODES = [NodeWithScore(node=TextNode(text=text)) for text in ("Trains run.", "Cats sleep.")]
CLASSES: dict[type[Any], tuple[dict[str, Any], str, tuple[Any, ...], dict[str, Any]]] = {
    Melious: ({"model": "glm-4.7"}, "complete", ("Hello",), {}),
    MeliousEmbedding: ({"model": "bge-m3"}, "get_query_embedding", ("trains",), {}),
    MeliousRerank: ({"model": "bge-reranker-v2-m3"}, "postprocess_nodes", (NODES,), {"query_str": "trains"}),
}


def call(component: Any) -> Any:
    _, method, arguments, keywords = CLASSES[type(component)]
    return getattr(component, method)(*arguments, **keywords)


async def acall(component: Any) -> Any:
    _, method, arguments, keywords = CLASSES[type(component)]
    return await getattr(component, f"a{method}")(*arguments, **keywords)
