"""The model by position, its other name, and LlamaIndex's usual import paths."""

import pytest

import llama_index_melious
from melious.errors import InvalidArgumentError

KEY = "sk-mel-0123456789"
CLASSES = ["Melious", "MeliousEmbedding", "MeliousRerank", "MeliousAudioReader", "MeliousToolSpec"]


@pytest.mark.parametrize("name", CLASSES)
def test_the_model_by_position(name):
    kind = getattr(llama_index_melious, name)
    assert kind("some-model", api_key=KEY).model == "some-model"
    with pytest.raises(InvalidArgumentError, match=f"{name}: takes only the model by position"):
        kind("some-model", KEY)
    with pytest.raises(InvalidArgumentError, match=f"{name}: model: is given twice"):
        kind("some-model", model="another", api_key=KEY)


@pytest.mark.parametrize("name", ["Melious", "MeliousEmbedding"])
def test_the_name_of_the_model(name):
    assert getattr(llama_index_melious, name)("some-model", api_key=KEY).model_name == "some-model"


def test_readers_and_tools_have_their_usual_paths():
    from llama_index.readers.melious import MeliousAudioReader
    from llama_index.tools.melious import MeliousToolSpec

    assert MeliousAudioReader is llama_index_melious.MeliousAudioReader
    assert MeliousToolSpec is llama_index_melious.MeliousToolSpec


@pytest.mark.parametrize("text", ["", " \n", None, 5], ids=repr)
async def test_a_bad_text_is_named_by_its_place_before_anything_is_sent(make_embedding, way, sandbox, text):
    texts = ["a text"] * 250
    texts[205] = text
    with pytest.raises(InvalidArgumentError, match=r"texts\[205\]: must be a string that is not blank"):
        await way(make_embedding(), "get_text_embedding_batch", texts)
    assert not sandbox.requests
