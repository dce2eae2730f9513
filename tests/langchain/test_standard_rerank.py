"""The standard suite for rerankers: `MeliousRerank` passes it, and so does a small one without a network.

Then the suite itself is tried: small rerankers that each do one thing wrong must fail the items for it.
"""

import asyncio
import copy
import inspect
import re
import threading
import time
from collections.abc import Sequence
from typing import Any

import lc_service
import pytest
from langchain_core.documents import BaseDocumentCompressor, Document
from langchain_core.runnables import RunnableLambda
from langchain_core.utils.utils import secret_from_env
from pydantic import Field, PrivateAttr, SecretStr
from standard_rerank import RerankerIntegrationTests, RerankerTests, RerankerUnitTests

from langchain_melious import MeliousRerank
from melious.sandbox import Sandbox

# --- the real one ------------------------------------------------------------------------------------


class TestMeliousRerankUnit(RerankerUnitTests):
    @property
    def reranker_class(self) -> type[BaseDocumentCompressor]:
        return MeliousRerank

    @property
    def reranker_params(self) -> dict[str, Any]:
        return {"model": "bge-reranker-v2-m3", "api_key": "sk-mel-test"}

    @property
    def init_from_env_params(self) -> tuple[dict[str, str], dict[str, Any], dict[str, Any]]:
        environment = {"MELIOUS_API_KEY": "sk-mel-env", "MELIOUS_BASE_URL": "http://127.0.0.1:9/v1"}
        expected = {"api_key": "sk-mel-env", "base_url": "http://127.0.0.1:9/v1"}
        return environment, {"model": "bge-reranker-v2-m3"}, expected


class TestMeliousRerankIntegration(RerankerIntegrationTests):
    @pytest.fixture(autouse=True)
    def _place(self, sandbox: Sandbox) -> None:
        self.place = lc_service.place(sandbox)

    @property
    def reranker_class(self) -> type[BaseDocumentCompressor]:
        return MeliousRerank

    @property
    def reranker_params(self) -> dict[str, Any]:
        return {"model": "bge-reranker-v2-m3", **self.place}


# --- a small one -------------------------------------------------------------------------------------


class WordRerank(BaseDocumentCompressor):
    """Ranks by the share of the query's words that a document has."""

    top_n: int | None = None
    api_key: SecretStr | None = Field(default_factory=secret_from_env("WORD_RERANK_KEY", default=None))

    def compress_documents(
        self, documents: Sequence[Document], query: str, callbacks: Any = None
    ) -> list[Document]:
        return RunnableLambda(lambda given: self.ranked(*given)).invoke(
            (documents, query), {"callbacks": callbacks}
        )

    async def acompress_documents(
        self, documents: Sequence[Document], query: str, callbacks: Any = None
    ) -> list[Document]:
        return await RunnableLambda(self._never, self._aranked).ainvoke(
            (documents, query), {"callbacks": callbacks}
        )

    def _never(self, given: Any) -> list[Document]:
        raise NotImplementedError

    async def _aranked(self, given: Any) -> list[Document]:
        return self.ranked(*given)

    def ranked(self, documents: Sequence[Document], query: str) -> list[Document]:
        scored = [(self.score(document.page_content, query), document) for document in documents]
        scored.sort(key=lambda pair: -pair[0])
        return [self.marked(document, score) for score, document in scored[: self.top_n]]

    def score(self, text: str, query: str) -> float:
        wanted = set(re.findall(r"\w+", query.lower()))
        return len(wanted & set(re.findall(r"\w+", text.lower()))) / (len(wanted) or 1)

    def marked(self, document: Document, score: float) -> Document:
        metadata = {**copy.deepcopy(document.metadata), "relevance_score": score}
        return document.model_copy(update={"metadata": metadata})


class TestWordRerankUnit(RerankerUnitTests):
    @property
    def reranker_class(self) -> type[BaseDocumentCompressor]:
        return WordRerank

    @property
    def init_from_env_params(self) -> tuple[dict[str, str], dict[str, Any], dict[str, Any]]:
        return {"WORD_RERANK_KEY": "x"}, {"top_n": 2}, {"api_key": "x", "top_n": 2}


class TestWordRerankIntegration(RerankerIntegrationTests):
    @property
    def reranker_class(self) -> type[BaseDocumentCompressor]:
        return WordRerank

    @property
    def waits_for_network(self) -> bool:
        return False


# --- wrong ones --------------------------------------------------------------------------------------


class ChangesInput(WordRerank):
    def marked(self, document, score):
        document.metadata["relevance_score"] = score
        return document


class CopiesTooLittle(WordRerank):
    def marked(self, document, score):
        return document.model_copy(update={"metadata": {**document.metadata, "relevance_score": score}})


class SortsInput(WordRerank):
    def ranked(self, documents, query):
        found = super().ranked(documents, query)
        documents.sort(key=lambda document: document.page_content)
        return found


class LosesMetadata(WordRerank):
    def marked(self, document, score):
        kept = {
            name: document.metadata[name] for name in ("n", "tags", "source") if name in document.metadata
        }
        return Document(document.page_content, metadata={**kept, "relevance_score": score}, id=document.id)


class LosesIds(WordRerank):
    def marked(self, document, score):
        return super().marked(document, score).model_copy(update={"id": None})


class WrongWayRound(WordRerank):
    def ranked(self, documents, query):
        return super().ranked(documents, query)[::-1]


class LooksNotAtTheQuery(WordRerank):
    def score(self, text, query):
        return super().score(text, "how does a heat pump warm a house")


class GivesTextsAsScores(WordRerank):
    def marked(self, document, score):
        made = super().marked(document, score)
        made.metadata["relevance_score"] = str(score)
        return made


class GivesNoScores(WordRerank):
    def marked(self, document, score):
        return document.model_copy(update={"metadata": copy.deepcopy(document.metadata)})


class ForgetsTopN(WordRerank):
    def ranked(self, documents, query):
        return WordRerank().ranked(documents, query)


class KeepsOnlyThree(WordRerank):
    def ranked(self, documents, query):
        return super().ranked(documents, query)[:3]


class RanksEachBatchAlone(WordRerank):
    def ranked(self, documents, query):
        starts = range(0, len(documents), 100)
        batches = [documents[at : at + 100] for at in starts]
        return [made for batch in batches for made in WordRerank.ranked(self, batch, query)]


class DropsDuplicates(WordRerank):
    def ranked(self, documents, query):
        return super().ranked(
            list({document.page_content: document for document in documents}.values()), query
        )


class CutsTexts(WordRerank):
    def marked(self, document, score):
        return (
            super().marked(document, score).model_copy(update={"page_content": document.page_content[:500]})
        )


class SpoilsCharacters(WordRerank):
    def marked(self, document, score):
        text = document.page_content.encode("ascii", "replace").decode()
        return super().marked(document, score).model_copy(update={"page_content": text})


class FailsOnNothing(WordRerank):
    def ranked(self, documents, query):
        return [super().ranked(documents, query)[0], *super().ranked(documents, query)[1:]]


class BlocksTheLoop(WordRerank):
    async def _aranked(self, given):
        time.sleep(0.02)  # noqa: ASYNC251 - this is what is wrong with it
        return self.ranked(*given)


class UsesAThread(WordRerank):
    async def _aranked(self, given):
        return await asyncio.to_thread(self.ranked, *given)


class InheritsAsync(WordRerank):
    acompress_documents = BaseDocumentCompressor.acompress_documents


class AnswersOtherwiseAsync(WordRerank):
    async def _aranked(self, given):
        return self.ranked(*given)[:-1]


class IgnoresCallbacks(WordRerank):
    def compress_documents(self, documents, query, callbacks=None):
        return self.ranked(documents, query)

    async def acompress_documents(self, documents, query, callbacks=None):
        return self.ranked(documents, query)


class RunsOnItsOwn(WordRerank):
    """Tells callbacks, but not that it belongs to their run."""

    def compress_documents(self, documents, query, callbacks=None):
        return super().compress_documents(documents, query, getattr(callbacks, "handlers", callbacks))


class HoldsALock(WordRerank):
    _lock: Any = PrivateAttr(default_factory=threading.Lock)


class ShowsItsKey(WordRerank):
    api_key: str | None = None


class ReadsNoEnvironment(WordRerank):
    api_key: SecretStr | None = None


class MixesCalls(WordRerank):
    _query: str = PrivateAttr("")

    async def _aranked(self, given):
        self._query = given[1]
        await asyncio.sleep(0)
        return self.ranked(given[0], self._query)


WRONG: dict[type[WordRerank], set[str]] = {
    ChangesInput: {"the_input_is_left_alone", "metadata_is_a_copy"},
    CopiesTooLittle: {"metadata_is_a_copy"},
    SortsInput: {"the_input_is_left_alone"},
    LosesMetadata: {"metadata_is_kept"},
    LosesIds: {"ids_are_kept"},
    WrongWayRound: {"the_best_comes_first", "scores", "the_order_follows_the_query", "top_n"},
    LooksNotAtTheQuery: {"the_order_follows_the_query", "many_at_once", "threads"},
    GivesTextsAsScores: {"scores"},
    GivesNoScores: {"scores"},
    ForgetsTopN: {"top_n"},
    KeepsOnlyThree: {"all_come_back_once", "top_n", "more_than_one_request_takes"},
    RanksEachBatchAlone: {"more_than_one_request_takes"},
    DropsDuplicates: {"duplicates"},
    CutsTexts: {"a_long_text"},
    SpoilsCharacters: {"unusual_characters"},
    FailsOnNothing: {"no_documents"},
    BlocksTheLoop: {"async_blocks_nothing"},
    UsesAThread: {"async_blocks_nothing"},
    InheritsAsync: {"async_is_its_own", "async_blocks_nothing"},
    AnswersOtherwiseAsync: {"async_gives_the_same"},
    IgnoresCallbacks: {"callbacks_see_a_run", "callbacks_see_an_async_run"},
    RunsOnItsOwn: {"callbacks_see_a_run"},
    HoldsALock: {"pickle_and_copies", "pickle_after_use"},
    ShowsItsKey: {"secrets_are_not_shown"},
    ReadsNoEnvironment: {"init_from_env"},
    MixesCalls: {"many_at_once"},
}


def failures(suite: type[RerankerTests], tried: type[BaseDocumentCompressor]) -> set[str]:
    """The items of a suite that a reranker fails."""

    class Suite(suite):
        reranker_class = tried
        waits_for_network = tried is BlocksTheLoop
        init_from_env_params = TestWordRerankUnit.init_from_env_params

    failed = set()
    for name in (name for name in dir(Suite) if name.startswith("test_")):
        item = getattr(Suite(), name)
        arguments = [tried()] if inspect.signature(item).parameters else []
        try:
            made = item(*arguments)
            if inspect.iscoroutine(made):
                asyncio.run(made)
        except pytest.skip.Exception:
            pass
        except Exception:
            failed.add(name.removeprefix("test_"))
    return failed


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: wrong.__name__)
def test_the_suite_finds_what_is_wrong(wrong):
    found = failures(RerankerUnitTests, wrong) | failures(RerankerIntegrationTests, wrong)
    assert found >= WRONG[wrong]


def test_the_suite_finds_nothing_wrong_with_what_is_right():
    assert failures(RerankerUnitTests, WordRerank) | failures(RerankerIntegrationTests, WordRerank) == set()


def test_every_item_is_there_for_something():
    items = {
        name.removeprefix("test_")
        for suite in (RerankerUnitTests, RerankerIntegrationTests)
        for name in dir(suite)
        if name.startswith("test_")
    }
    found = set().union(*WRONG.values())
    assert items - found == {
        "init",
        "signatures",
        "one_document",
        "no_overrides_DO_NOT_OVERRIDE",
    }


def test_an_item_cannot_be_overridden_in_silence():
    class Silent(TestWordRerankUnit):
        def test_no_documents(self, reranker: BaseDocumentCompressor) -> None:
            pass

    class Honest(TestWordRerankUnit):
        @pytest.mark.xfail(reason="it wants at least one")
        def test_no_documents(self, reranker: BaseDocumentCompressor) -> None:
            raise NotImplementedError

    with pytest.raises(AssertionError, match="test_no_documents"):
        Silent().test_no_overrides_DO_NOT_OVERRIDE()
    Honest().test_no_overrides_DO_NOT_OVERRIDE()
