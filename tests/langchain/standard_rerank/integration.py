"""The suite that ranks."""

import asyncio
import copy
import pickle
import socket
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any
from uuid import UUID

import pytest
from langchain_core.callbacks import BaseCallbackHandler, CallbackManager
from langchain_core.documents import BaseDocumentCompressor, Document

from standard_rerank.base import BEST, QUERY, TEXTS, RerankerTests, documents

SCORE_TOLERANCE = 1e-3  # two requests to a service may differ in the last bits
TURNS = 10  # that another task gets meanwhile; a call that blocks the loop leaves it hardly any
UNUSUAL = ("emoji 🦊🏳️‍🌈", "עברית", "e\u0301 and é", "line\u2028separator", 'quotes "\\" and \t tab', "表計算")


class RerankerIntegrationTests(RerankerTests):
    """What comes out of a reranker, on either way, and what it must leave alone."""

    @property
    def documents_kept_by_default(self) -> int | None:
        """How many documents come back when nothing is said; None, the default, for all."""
        return None

    @property
    def top_n_param(self) -> str | None:
        """The constructor argument for how many come back; None where there is none."""
        return "top_n"

    @property
    def many_documents(self) -> int:
        """How many documents are more than fit in one request."""
        return 300

    @property
    def long_text_characters(self) -> int:
        """How long a document may at least be; it may be cut for the model, but is given back whole."""
        return 20_000

    @property
    def waits_for_network(self) -> bool:
        """Whether there is something to wait for, so that other tasks get their turn meanwhile."""
        return True

    # --- order and scores ----------------------------------------------------------------------------

    def test_the_best_comes_first(self, reranker: BaseDocumentCompressor) -> None:
        """Documents come back in order of relevance."""
        found = reranker.compress_documents(documents(), QUERY)
        assert all(isinstance(document, Document) for document in found)
        assert found[0].page_content == BEST

    def test_the_order_follows_the_query(self, reranker: BaseDocumentCompressor) -> None:
        """Another query has another best document."""
        found = reranker.compress_documents(documents(), "When does the ferry to the island leave?")
        assert "ferry" in found[0].page_content

    def test_all_come_back_once(self, reranker: BaseDocumentCompressor) -> None:
        """No document is lost or doubled."""
        found = reranker.compress_documents(documents(), QUERY)
        kept = self.documents_kept_by_default
        assert len(found) == min(len(TEXTS), kept or len(TEXTS))
        assert len({document.metadata["n"] for document in found}) == len(found)

    def test_scores(self, reranker: BaseDocumentCompressor) -> None:
        """Each document has a score, a real float, and none has a higher one than those before it."""
        key = self.returns_score_key
        if key is None:
            pytest.skip("returns_score_key is None")
        scores = [document.metadata[key] for document in reranker.compress_documents(documents(), QUERY)]
        assert all(type(score) is float for score in scores)
        assert scores == sorted(scores, reverse=True)
        assert scores[0] > scores[-1]

    def test_top_n(self) -> None:
        """As many of the best come back as are asked for, and more than there are is no error."""
        if self.top_n_param is None:
            pytest.skip("top_n_param is None")
        for asked in (1, 2, len(TEXTS), len(TEXTS) + 5):
            reranker = self.reranker_class(**self.reranker_params | {self.top_n_param: asked})
            found = reranker.compress_documents(documents(), QUERY)
            assert len(found) == min(asked, len(TEXTS))
            assert found[0].page_content == BEST

    def test_one_document(self, reranker: BaseDocumentCompressor) -> None:
        """A single document comes back, however bad it is."""
        (found,) = reranker.compress_documents(documents(TEXTS[:1]), QUERY)
        assert found.page_content == TEXTS[0]

    def test_more_than_one_request_takes(self) -> None:
        """The order holds over all documents, wherever among them the best ones are."""
        count = self.many_documents
        texts = [f"Number {n} tells of rye, bread and salt." for n in range(count)]
        for place in (0, count // 2, count - 1):
            texts[place] = BEST
        params = dict(self.reranker_params)
        if self.top_n_param:
            params[self.top_n_param] = count
        found = self.reranker_class(**params).compress_documents(documents(tuple(texts)), QUERY)
        assert sorted(document.metadata["n"] for document in found) == list(range(count))
        assert {document.metadata["n"] for document in found[:3]} == {0, count // 2, count - 1}
        if self.returns_score_key:
            scores = [document.metadata[self.returns_score_key] for document in found]
            assert scores == sorted(scores, reverse=True)

    def test_duplicates(self, reranker: BaseDocumentCompressor) -> None:
        """Equal texts are documents of their own, with equal scores."""
        found = reranker.compress_documents(documents((BEST, TEXTS[0], BEST)), QUERY)
        assert sorted(document.metadata["n"] for document in found[:2]) == [0, 2]
        if self.returns_score_key and len(found) > 1:
            first, second = (document.metadata[self.returns_score_key] for document in found[:2])
            assert first == pytest.approx(second, abs=SCORE_TOLERANCE)

    # --- what documents keep -------------------------------------------------------------------------

    def test_the_input_is_left_alone(self, reranker: BaseDocumentCompressor) -> None:
        """Neither the list nor a document nor anything within its metadata is changed."""
        given = documents()
        before, objects = copy.deepcopy(given), list(given)
        reranker.compress_documents(given, QUERY)
        assert given == before
        assert all(one is other for one, other in zip(given, objects, strict=True))

    def test_metadata_is_kept(self, reranker: BaseDocumentCompressor) -> None:
        """Each document has its metadata, whatever is added."""
        given = {document.metadata["n"]: document for document in documents()}
        for found in reranker.compress_documents(list(given.values()), QUERY):
            for name, value in given[found.metadata["n"]].metadata.items():
                assert found.metadata[name] == value

    def test_metadata_is_a_copy(self, reranker: BaseDocumentCompressor) -> None:
        """What is done to the result reaches no document that was given, at any depth."""
        given = documents()
        before = copy.deepcopy(given)
        for found in reranker.compress_documents(given, QUERY):
            found.metadata["tags"].append("changed")
            found.metadata["source"]["pages"].append("changed")
            found.metadata["new"] = 1
        assert given == before

    def test_ids_are_kept(self, reranker: BaseDocumentCompressor) -> None:
        """A document keeps its id, and one without gets none."""
        for found in reranker.compress_documents(documents(), QUERY):
            assert found.id == f"id-{found.metadata['n']}"
        (nameless,) = reranker.compress_documents([Document(BEST)], QUERY)
        assert nameless.id is None

    def test_unusual_characters(self, reranker: BaseDocumentCompressor) -> None:
        """Texts come back as they were, whatever is in them."""
        found = reranker.compress_documents(documents(UNUSUAL), "🦊 עברית 表計算")
        assert {document.page_content for document in found} <= set(UNUSUAL)
        for document in found:
            assert document.page_content == UNUSUAL[document.metadata["n"]]

    def test_a_long_text(self, reranker: BaseDocumentCompressor) -> None:
        """A long document is ranked and comes back whole."""
        long = (BEST + " ") * (self.long_text_characters // len(BEST) + 1)
        found = reranker.compress_documents(documents((TEXTS[0], long)), QUERY)
        assert found[0].page_content == long

    # --- async ---------------------------------------------------------------------------------------

    async def test_async_gives_the_same(self, reranker: BaseDocumentCompressor) -> None:
        """Order, metadata, ids and scores are those of the blocking method."""
        blocking = reranker.compress_documents(documents(), QUERY)
        _assert_same(await reranker.acompress_documents(documents(), QUERY), blocking, self.returns_score_key)

    async def test_async_blocks_nothing(self, reranker: BaseDocumentCompressor) -> None:
        """It waits on the event loop: no thread of an executor, and other tasks go on meanwhile."""
        if not self.supports_async:
            pytest.skip("supports_async is False")
        asyncio.get_running_loop().set_default_executor(_NoExecutor())
        given = documents((BEST, *(f"Number {n} tells of rye." for n in range(1, self.many_documents))))
        turns = 0

        async def others() -> None:
            nonlocal turns
            while True:
                await asyncio.sleep(0)
                turns += 1

        task = asyncio.create_task(others())
        try:
            found = await reranker.acompress_documents(given, QUERY)
        finally:
            task.cancel()
        assert found[0].page_content == BEST
        if self.waits_for_network:
            assert turns >= TURNS, "the event loop stood still"

    async def test_many_at_once(self, reranker: BaseDocumentCompressor) -> None:
        """Concurrent calls do not mix."""
        queries = [QUERY, "When does the ferry to the island leave?"] * 4
        answers = await asyncio.gather(
            *(reranker.acompress_documents(documents(), query) for query in queries)
        )
        assert ["heat" in found[0].page_content for found in answers] == [True, False] * 4

    # --- runs, threads, pickles ----------------------------------------------------------------------

    def test_callbacks_see_a_run(self, reranker: BaseDocumentCompressor) -> None:
        """A handler sees the rerank begin and end, within the run that it belongs to."""
        self._assert_runs(lambda callbacks: reranker.compress_documents(documents(), QUERY, callbacks))

    def test_callbacks_see_an_async_run(self, reranker: BaseDocumentCompressor) -> None:
        """The same for the async method."""
        self._assert_runs(
            lambda callbacks: asyncio.run(reranker.acompress_documents(documents(), QUERY, callbacks))
        )

    def _assert_runs(self, call: Any) -> None:
        if not self.supports_callbacks:
            pytest.skip("supports_callbacks is False")
        alone = _Runs()
        call([alone])
        assert alone.begun
        assert alone.ended == alone.begun[::-1]
        within = _Runs()
        run = CallbackManager.configure(inheritable_callbacks=[within]).on_chain_start({}, {}, name="outer")
        call(run.get_child())
        assert within.parents[within.begun[1]] == run.run_id

    def test_threads(self, reranker: BaseDocumentCompressor) -> None:
        """One object serves several threads."""
        queries = [QUERY, "When does the ferry to the island leave?"] * 4
        with ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(lambda query: reranker.compress_documents(documents(), query), queries))
        assert ["heat" in found[0].page_content for found in answers] == [True, False] * 4

    def test_pickle_after_use(self, reranker: BaseDocumentCompressor) -> None:
        """A used one can be carried elsewhere and works there."""
        if not self.supports_pickle:
            pytest.skip("supports_pickle is False")
        expected = reranker.compress_documents(documents(), QUERY)
        for made in (pickle.loads(pickle.dumps(reranker)), copy.deepcopy(reranker)):
            _assert_same(made.compress_documents(documents(), QUERY), expected, self.returns_score_key)


def _assert_same(found: Sequence[Document], expected: Sequence[Document], score: str | None) -> None:
    assert [document.id for document in found] == [document.id for document in expected]
    for one, other in zip(found, expected, strict=True):
        assert one.page_content == other.page_content
        mine, theirs = dict(one.metadata), dict(other.metadata)
        if score:
            assert mine.pop(score) == pytest.approx(theirs.pop(score), abs=SCORE_TOLERANCE)
        assert mine == theirs


class _NoExecutor(ThreadPoolExecutor):
    """Lets nothing but names of hosts be looked up in a thread, as asyncio itself does."""

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        if fn is not socket.getaddrinfo:
            raise AssertionError(f"{fn!r} would run in a thread")
        return super().submit(fn, *args, **kwargs)


class _Runs(BaseCallbackHandler):
    """The runs that begin and end, of whatever kind they are."""

    def __init__(self) -> None:
        self.begun: list[UUID] = []
        self.ended: list[UUID] = []
        self.parents: dict[UUID, UUID | None] = {}

    def _begin(self, *_: Any, run_id: UUID, parent_run_id: UUID | None = None, **__: Any) -> None:
        self.begun.append(run_id)
        self.parents[run_id] = parent_run_id

    def _end(self, *_: Any, run_id: UUID, **__: Any) -> None:
        self.ended.append(run_id)

    on_chain_start = on_tool_start = on_retriever_start = _begin
    on_chain_end = on_tool_end = on_retriever_end = _end
