"""What the sandbox answers to the blocks of each page, in the order in which they ask."""

from melious.sandbox import Reply, Sandbox

ANNA = '{"name": "Anna", "age": 31}'
HELLO = Reply(text="Hello! How can I help?")
COUNT = Reply(text="One, two, three.")
RIVERS = Reply(text="The Elbe, the Alster and the Bille.")
TALK = Reply(text="Good morning, and welcome.")
GREEN = Reply(text="One green pixel.")
REPLIES: dict[str, list[Reply]] = {
    "README.md": [
        RIVERS,
        Reply(tool_calls=[("river_length", {"river": "Elbe"})]),
        Reply(text="The Elbe is 1094 km long."),
        Reply(text="The Elbe."),
    ],
    "docs/index.md": [RIVERS, Reply(text="The Elbe."), Reply(text="The Vltava.")],
    "docs/guides/routing.md": [*[Reply(text="Hello!")] * 3, Reply(text="The Elbe.")],
    "docs/client.md": [RIVERS, COUNT, TALK, HELLO],
    "docs/guides/streaming.md": [COUNT] * 5,
    "docs/guides/batches.md": [Reply(text="1094 km."), Reply(text="56 km."), Reply(text="65 km.")],
    "docs/guides/structured-output.md": [
        Reply(tool_calls=[("Person", ANNA)]),
        Reply(text=ANNA),
        Reply(text=ANNA),
    ],
    "docs/langchain/index.md": [
        HELLO,
        Reply(tool_calls=[("river_length", {"river": "Elbe"})]),
        Reply(text="The Elbe is 1094 km long."),
        Reply(text="The Elbe."),
    ],
    "docs/langchain/chat.md": [
        Reply(text="The Elbe, the Alster and the Bille flow through Hamburg."),
        *[HELLO] * 2,
        COUNT,
        HELLO,
        Reply(tool_calls=[("GetWeather", {"city": "Oslo"})]),
        Reply(tool_calls=[("Person", ANNA)]),
        HELLO,
        COUNT,
        Reply(tool_calls=[("Person", ANNA)]),
        Reply(tool_calls=[("Person", '{"name": "Bert", "age": 40}')]),
        Reply(text="51", reasoning="17 times 3 is 51."),
        GREEN,
    ],
    "docs/guides/hosted-tools.md": [
        Reply(tool_calls=[("web_search", {"query": "heat pumps"})]),
        Reply(text="The search found nothing new."),
        Reply(tool_calls=[("web_search", {"query": "heat pumps"})]),
        Reply(text="The search found nothing new."),
        Reply(tool_calls=[("web_search", {"query": "heat pumps"})]),
    ],
    "docs/langchain/tools.md": [
        Reply(tool_calls=[("generate_image", {"prompt": "A lighthouse"})]),
        Reply(text="Here is your lighthouse."),
    ],
    "docs/langchain/loaders.md": [TALK] * 2,
    "docs/llamaindex/index.md": [
        Reply(text="The Elbe."),
        Reply(tool_calls=[("river_length", {"river": "Elbe"})]),
        Reply(text="The Elbe is 1094 km long."),
    ],
    "docs/llamaindex/llm.md": [
        RIVERS,
        Reply(text="The Nile."),
        Reply(text="The Nile."),
        HELLO,
        Reply(tool_calls=[("get_weather", {"city": "Oslo"})]),
        Reply(text=ANNA),
        Reply(text="The Nile."),
        Reply(text="The Volga."),
        Reply(text=ANNA),
        GREEN,
    ],
    "docs/llamaindex/readers.md": [TALK],
    "docs/llamaindex/tools.md": [
        Reply(tool_calls=[("transcribe", {"path": "opening.wav"})]),
        TALK,
        Reply(text="It says: good morning, and welcome."),
    ],
    "docs/guides/tools.md": [
        Reply(tool_calls=[("river_length", {"river": "Elbe"})]),
        Reply(text="The Elbe is 1094 km long."),
        Reply(tool_calls=[("river_length", {"river": "Elbe"})]),
        Reply(text="The Elbe is 1094 km long."),
        Reply(tool_calls=[("river_length", {"river": "Rhine"})]),
        Reply(text="The Rhine is 1233 km long."),
    ],
    "docs/guides/documents.md": [Reply(text="8,400 EUR.")] * 2,
    "docs/guides/pictures-and-sound.md": [*[Reply(text="A lighthouse.")] * 2, TALK],
}


def script(page: str, sandbox: Sandbox) -> None:
    """Hand the replies of a page to the sandbox."""
    for reply in REPLIES.get(page, ()):
        sandbox.replies.add(reply, endpoint="audio" if reply is TALK else "chat")
