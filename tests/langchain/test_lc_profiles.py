"""Profiles say what the service said of its models in this process, over what is shipped; nothing is fetched."""

from langchain_melious.chat.profiles import profile_of
from melious import MeliousClient
from melious.sandbox import Fault

LISTED = {
    "brand-new": {
        "type": "chat",
        "display_name": "Brand New",
        "input_modalities": ["text", "image"],
        "capabilities": {"function_calling": True, "streaming": True},
        "context_length": 200_000,
    },
    "plain-chat": {"type": "chat"},
    "glm-4.7": {"type": "chat", "context_length": 203_000, "max_output_tokens": None},
    "brand-new-vectors": {"type": "embedding"},
    "nameless": None,
}


def test_what_was_heard_is_in_the_profile(sandbox, start_sandbox):
    data = [
        {"id": name, "object": "model"} | ({"_meta": meta} if meta else {}) for name, meta in LISTED.items()
    ]
    sandbox.faults.add(Fault(endpoint="models", body={"object": "list", "data": data}))
    assert profile_of("brand-new", sandbox.base_url) is None
    assert not sandbox.requests
    with MeliousClient(api_key=sandbox.api_key, base_url=sandbox.base_url) as client:
        client.models.list(include_meta=True)
    new = profile_of("brand-new:eco", sandbox.base_url)
    assert (new["name"], new["max_input_tokens"]) == ("Brand New", 200_000)
    assert new["image_inputs"]
    assert new["tool_calling"]
    assert "reasoning_output" not in new, "nobody says whether it thinks"
    assert "max_output_tokens" not in new
    plain = profile_of("plain-chat", sandbox.base_url)
    assert not {"image_inputs", "tool_calling", "max_input_tokens"} & set(plain)
    known = profile_of("glm-4.7", sandbox.base_url)
    assert (known["max_input_tokens"], known["max_output_tokens"]) == (203_000, 16_384)
    assert known["reasoning_output"]
    assert profile_of("brand-new-vectors", sandbox.base_url) is None
    assert profile_of("nameless", sandbox.base_url) is None
    assert profile_of("glm-4.7", start_sandbox().base_url)["max_input_tokens"] == 131_072
    assert len(sandbox.requests) == 1
