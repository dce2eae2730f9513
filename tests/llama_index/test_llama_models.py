"""What LlamaIndex users are told of a model before anything is sent: its kind, its name, efforts, images."""

import copy
import pickle
import warnings

import pytest
from llama_index.core.base.llms.types import ChatMessage, ImageBlock, TextBlock
from llama_index.core.schema import NodeWithScore, TextNode
from test_llama_metadata import listed

from llama_index_melious import Melious, MeliousEmbedding, MeliousRerank
from melious import BadRequestError, InvalidArgumentError, ModelNotFoundError

HELLO = [ChatMessage("Hello, you!")]
PICTURE = ImageBlock(image=b"\x89PNG\r\n\x1a\n", image_mimetype="image/png")


@pytest.mark.parametrize(
    ("model", "instead"),
    [
        ("bge-m3", "MeliousEmbedding "),
        ("bge-reranker-v2-m3", "MeliousRerank"),
        ("flux-dev", "MeliousToolSpec"),
    ],
)
async def test_a_model_of_another_kind_cannot_chat(make_llm, way, sandbox, model, instead):
    with pytest.raises(InvalidArgumentError, match=f"not a chat model.*{instead}"):
        await way(make_llm(model=model), "chat", HELLO)
    with pytest.raises(InvalidArgumentError, match="not a chat model"):
        await way(make_llm(), "complete", "Hello", model=model)
    assert not sandbox.requests


async def test_a_chat_model_neither_embeds_nor_reranks(make_embedding, make_rerank, sandbox):
    with pytest.raises(InvalidArgumentError, match=r"not an embeddings model.*Melious \(LlamaIndex\)"):
        make_embedding(model="glm-4.7").get_text_embedding("Hello")
    with pytest.raises(InvalidArgumentError, match="not an embeddings model"):
        await make_embedding(model="glm-4.7").aget_text_embedding("Hello")
    nodes = [NodeWithScore(node=TextNode(text="Hello"))]
    with pytest.raises(InvalidArgumentError, match="not a rerank model"):
        make_rerank(model="glm-4.7").postprocess_nodes(nodes, query_str="hello")
    assert not sandbox.requests


@pytest.mark.parametrize("kind", [Melious, MeliousEmbedding, MeliousRerank])
def test_objects_of_any_name_are_made_and_pickled(kind):
    made = kind(model="whisper-large-v3", api_key="sk-mel-test")
    assert pickle.loads(pickle.dumps(made)).model == "whisper-large-v3"
    assert copy.deepcopy(made).model == "whisper-large-v3"


async def test_a_name_that_is_nearly_one_is_told_before_and_after(make_llm, way, sandbox):
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        for _ in range(2):
            with pytest.raises(ModelNotFoundError, match=r"Did you mean glm-4\.7\?"):
                await way(make_llm(model="glm4.7"), "chat", HELLO)
    assert [str(one.message) for one in told] == [
        "model: 'glm4.7' is not a known model; did you mean 'glm-4.7'?"
    ]
    assert len(sandbox.requests) == 2


async def test_an_effort_that_the_model_refuses_is_refused(make_llm, way, sandbox):
    with pytest.raises(InvalidArgumentError, match=r"reasoning_effort: qwen3\.8-27b refuses 'high'"):
        await way(make_llm(model="qwen3.8-27b", reasoning_effort="high"), "chat", HELLO)
    assert not sandbox.requests
    extra = {"extra_body": {"reasoning_effort": "high"}}
    with pytest.raises(BadRequestError, match="seen to refuse"):
        await way(make_llm(model="qwen3.8-27b", max_retries=0), "chat", HELLO, **extra)


async def test_images_for_a_model_that_refuses_them_are_warned_about(make_llm, way):
    seen = [ChatMessage(role="user", blocks=[TextBlock(text="What is it?"), PICTURE])]
    with (
        pytest.warns(UserWarning, match="gemma-4-31b is listed as a model for images, but refused"),
        pytest.raises(BadRequestError, match="an image, which gemma-4-31b does not take"),
    ):
        await way(make_llm(model="gemma-4-31b", max_retries=0), "chat", seen)


async def test_a_server_that_does_not_say_what_its_models_are(make_llm, way, sandbox, caplog):
    sandbox.faults.add(listed(something=None, **{"else": None, "glm-4.7": None}))
    assert [card.id for card in await way(make_llm(), "available_models")] == ["glm-4.7"]
    assert "leaves out 2 of 3 models" in caplog.text
    assert "neither the service nor the catalogue says what kind they are" in caplog.text
