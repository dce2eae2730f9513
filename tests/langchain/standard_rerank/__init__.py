"""Standard tests for rerankers of LangChain: document compressors that put documents in order of relevance.

`langchain-tests` has suites for chat models, embeddings, vector stores and tools, and none for
`BaseDocumentCompressor`. These classes are used like its own: subclass them, say which class is tested and what it
can do, and pytest collects the items.

    from standard_rerank import RerankerIntegrationTests, RerankerUnitTests


    class TestMyRerankUnit(RerankerUnitTests):
        @property
        def reranker_class(self):
            return MyRerank

        @property
        def reranker_params(self):
            return {"model": "rerank-1", "api_key": "x"}

        @property
        def init_from_env_params(self):
            return {"MY_API_KEY": "x"}, {"model": "rerank-1"}, {"api_key": "x"}


    class TestMyRerankIntegration(RerankerIntegrationTests):
        @property
        def reranker_class(self):
            return MyRerank

        @property
        def reranker_params(self):
            return {"model": "rerank-1"}

        @property
        def documents_kept_by_default(self):
            return 3  # MyRerank(top_n=3) is what one gets

The items that await need pytest-asyncio with `asyncio_mode = "auto"`. What a reranker cannot do is said by a property
(`supports_*`, `returns_score_key`, `documents_kept_by_default`), never by overriding an item; an item that fails for a
reason of its own is overridden with `@pytest.mark.xfail(reason="...")`.
"""

from standard_rerank.base import RerankerTests
from standard_rerank.integration import RerankerIntegrationTests
from standard_rerank.unit import RerankerUnitTests

__all__ = ["RerankerIntegrationTests", "RerankerTests", "RerankerUnitTests"]
