"""A request as somebody would send it again: by curl, from Python, or from one of the frameworks.

The key always comes from the environment.
"""

import json
import re
import shlex
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlencode

from melious_sandbox.page.texts import Cleaner
from melious_sandbox.service.records import RecordedRequest

_USUAL_OPTIONS = {"include_usage": True}
_WIDTH = 88
_INVISIBLE = re.compile(r"[\x7f-\uffff]")
# What the library knows by name; anything else goes by ``extra_body``.
PARAMETERS: Mapping[str, frozenset[str]] = {
    endpoint: frozenset(f"preset filters user {names}".split())
    for endpoint, names in {
        "chat": "mode custom_weights max_tokens max_completion_tokens temperature top_p top_k min_p "
        "frequency_penalty presence_penalty stop seed n logprobs top_logprobs logit_bias "
        "tools tool_choice parallel_tool_calls response_format reasoning_effort stream_options",
        "embeddings": "mode custom_weights dimensions",
        "rerank": "mode custom_weights top_n return_documents max_chunks_per_doc",
        "images": "n size width height quality style response_format output_format output_quality seed",
    }.items()
}
_COUNT = "\nprint(len(vectors), len(vectors[0]))"
_CLIENT = "from melious import MeliousClient\n\nclient = MeliousClient()\n"


def snippets(request: RecordedRequest, clean: Cleaner) -> dict[str, str]:
    """Give the code for each way in which the request can be sent, by the name of the way."""
    body = clean.value(request.body)
    found = {"curl": _curl(request, body, clean)}
    if not isinstance(body, dict) or not isinstance(body.get("model"), str):
        return found
    # None is not sent, and neither is what the library sends by itself.
    fields = {name: value for name, value in body.items() if value is not None}
    if fields.get("stream_options") == _USUAL_OPTIONS:
        del fields["stream_options"]
    write = {"chat": _chat, "embeddings": _embeddings, "rerank": _rerank, "images": _images}.get(
        request.endpoint
    )
    return found if write is None else found | write(fields)


def _curl(request: RecordedRequest, body: Any, clean: Cleaner) -> str:
    path = clean.hide(request.path.removeprefix("/v1"))
    query = clean.value(dict(parse_qsl(request.query, keep_blank_values=True)))
    path += f"?{urlencode(query)}" if query else ""
    parts = [f'curl "$MELIOUS_BASE_URL"{shlex.quote(path)}', '-H "authorization: Bearer $MELIOUS_API_KEY"']
    if request.method not in ("GET", "POST"):
        parts.append(f"-X {shlex.quote(request.method)}")
    headers = {
        name: clean.hide(text)
        for name, text in request.headers.items()
        if name.startswith("x-sandbox-") or name == "anthropic-version"
    }
    parts += [f"-H {shlex.quote(f'{name}: {text}')}" for name, text in headers.items()]
    if request.headers.get("content-type", "").startswith("multipart/") and isinstance(body, dict):
        for name, value in body.items():
            for item in value if isinstance(value, list) else [value]:
                text = f"{name}=@{item['filename']}" if isinstance(item, dict) else f"{name}={item}"
                parts.append(f"-F {shlex.quote(text)}")
    elif body is not None:
        data = clean.block(body) if isinstance(body, str) else _json(body)
        parts += ['-H "content-type: application/json"', f"--data-raw {shlex.quote(data)}"]
    return " \\\n  ".join(parts)


def _chat(body: dict[str, Any]) -> dict[str, str]:
    streamed = body.pop("stream", False) is True
    model, messages, given = _split("chat", body, "messages")
    if (
        not messages
        or not isinstance(messages, list)
        or not all(isinstance(message, dict) for message in messages)
    ):
        return {}
    if streamed:
        python = _call("client.chat.stream", {"model": model, "messages": messages, **given})
        python = f"with {python} as stream:\n    for chunk in stream:\n        print(chunk)"
    else:
        python = _call("client.chat.create", {"model": model, "messages": messages, **given})
        python = f"answer = {python}\nprint(answer.text)"
    langchain = _call("llm.stream" if streamed else "llm.invoke", given, messages)
    found = {
        "Python": f"{_CLIENT}{python}",
        "LangChain": f"from langchain_melious import ChatMelious\n\nllm = ChatMelious({_literal(model)})\n"
        + _printed(langchain, "text", streamed=streamed),
    }
    spoken = [_chat_message(message) for message in messages]
    if None not in spoken:
        items = ",\n".join(map(str, spoken)).replace("\n", "\n    ")
        call = _call("llm.stream_chat" if streamed else "llm.chat", given, _Code("messages"))
        imported = [name for name in ("ChatMessage", "ImageBlock", "TextBlock") if f"{name}(" in items]
        found["LlamaIndex"] = (
            f"from llama_index.core.llms import {', '.join(imported)}\n"
            "from llama_index_melious import Melious\n\n"
            f"llm = Melious({_literal(model)})\nmessages = [\n    {items},\n]\n"
            + _printed(call, "delta" if streamed else "message.content", streamed=streamed)
        )
    return found


def _printed(call: str, text: str, *, streamed: bool) -> str:
    if streamed:
        return f'for part in {call}:\n    print(part.{text} or "", end="")'
    return f"answer = {call}\nprint(answer.{text})"


def _chat_message(message: Mapping[str, Any]) -> str | None:
    """Write a message for LlamaIndex; None if it has parts other than text and images."""
    content = message.get("content")
    given: dict[str, Any] = {"role": message.get("role")}
    if isinstance(content, list):
        blocks = [_block(part) for part in content]
        if None in blocks:
            return None
        given["blocks"] = _Code(f"[{', '.join(map(str, blocks))}]")
    else:
        given["content"] = content
    others = {name: value for name, value in message.items() if name not in ("role", "content")}
    return _call("ChatMessage", given | ({"additional_kwargs": others} if others else {}))


def _block(part: Any) -> str | None:
    match part:
        case {"type": "text", "text": str(text)}:
            return _call("TextBlock", {"text": text})
        case {"type": "image_url", "image_url": {"url": str(url)}}:
            return _call("ImageBlock", {"url": url})
    return None


def _embeddings(body: dict[str, Any]) -> dict[str, str]:
    body.pop("encoding_format", None)  # which the library chooses
    model, texts, given = _split("embeddings", body, "input")
    texts = [texts] if isinstance(texts, str) else texts
    python = _call("client.embeddings.create", {"model": model, "input": texts, **given})
    langchain = _call("embeddings.embed_documents", given, texts)
    llama_index = _call("embeddings.get_text_embedding_batch", given, texts)
    return {
        "Python": f"{_CLIENT}vectors = {python}.embeddings{_COUNT}",
        "LangChain": "from langchain_melious import MeliousEmbeddings\n\n"
        f"embeddings = MeliousEmbeddings({_literal(model)})\nvectors = {langchain}{_COUNT}",
        "LlamaIndex": "from llama_index_melious import MeliousEmbedding\n\n"
        f"embeddings = MeliousEmbedding({_literal(model)})\nvectors = {llama_index}{_COUNT}",
    }


def _rerank(body: dict[str, Any]) -> dict[str, str]:
    documents = body.pop("documents", None)
    model, query, given = _split("rerank", body, "query")
    if not isinstance(documents, list):
        return {}
    texts = [item.get("text") if isinstance(item, dict) else item for item in documents]
    python = _call("client.rerank.create", {"model": model, "query": query, "documents": documents, **given})
    langchain = _call("rerank.rerank", given, documents, query)
    nodes = _Code("[NodeWithScore(node=TextNode(text=text)) for text in texts]")
    llama_index = _call("rerank.postprocess_nodes", {"query_str": query, **given}, nodes)
    return {
        "Python": f"{_CLIENT}print({python}.results)",
        "LangChain": "from langchain_melious import MeliousRerank\n\n"
        f"rerank = MeliousRerank({_literal(model)})\nprint({langchain})",
        "LlamaIndex": "from llama_index.core.schema import NodeWithScore, TextNode\n"
        f"from llama_index_melious import MeliousRerank\n\nrerank = MeliousRerank({_literal(model)})\n"
        f"texts = {_literal(texts)}\nprint({llama_index})",
    }


def _images(body: dict[str, Any]) -> dict[str, str]:
    model, prompt, given = _split("images", body, "prompt")
    python = _call("client.images.generate", {"model": model, "prompt": prompt, **given})
    return {
        "Python": f'{_CLIENT}images = {python}\nwith open("image.png", "wb") as file:\n'
        "    file.write(images.data[0].to_bytes())"
    }


class _Code(str):
    """An argument that is code already."""

    __slots__ = ()


def _split(endpoint: str, body: Mapping[str, Any], subject: str) -> tuple[str, Any, dict[str, Any]]:
    """Give model, subject and the other arguments; unknown fields go by ``extra_body``."""
    others = {name: value for name, value in body.items() if name not in ("model", subject)}
    unknown = {name: others.pop(name) for name in list(others) if name not in PARAMETERS[endpoint]}
    return body["model"], body.get(subject), others | ({"extra_body": unknown} if unknown else {})


def _call(function: str, named: Mapping[str, Any], *plain: Any) -> str:
    """Write a call, on one line if it is short."""
    arguments = [("", value) for value in plain] + [(f"{name}=", value) for name, value in named.items()]
    line = f"{function}({', '.join(f'{name}{_literal(value)}' for name, value in arguments)})"
    if "\n" not in line and len(line) <= _WIDTH:
        return line
    lines = "".join(f"    {name}{_literal(value, 4)},\n" for name, value in arguments)
    return f"{function}(\n{lines})"


def _json(value: Any) -> str:
    """Write JSON, and so a string of Python too, in which nothing is invisible."""
    text = json.dumps(value, ensure_ascii=False)
    return _INVISIBLE.sub(
        lambda found: found[0] if found[0].isprintable() else f"\\u{ord(found[0]):04x}", text
    )


def _literal(value: Any, indent: int = 0) -> str:
    """Write a value as Python, in lines where it is long."""
    if isinstance(value, _Code):
        return value
    if isinstance(value, str):
        return _json(value)
    if not value or not isinstance(value, dict | list):
        return repr(value)
    if isinstance(value, dict):
        first, last = "{}"
        items = [f"{_literal(name)}: {_literal(item, indent + 4)}" for name, item in value.items()]
    else:
        first, last = "[]"
        items = [_literal(item, indent + 4) for item in value]
    line = f"{first}{', '.join(items)}{last}"
    if "\n" not in line and indent + len(line) <= _WIDTH:
        return line
    lines = "".join(f"{' ' * (indent + 4)}{item},\n" for item in items)
    return f"{first}\n{lines}{' ' * indent}{last}"
