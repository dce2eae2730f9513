"""What the sandbox says: with context in every framework's form, with tool results, with neither.

The documents are the language topics that Python ships, as nobody here wrote them.
"""

import base64
import math
from functools import cache
from pydoc_data.topics import topics

import jsonschema
import pytest

from melious_sandbox.brain import answers, instances, media, prompts, relevance, tools, vectors


def user(text):
    return {"role": "user", "content": text}


LLAMA_INDEX_QA = (
    "Context information is below.\n---------------------\n{context}\n---------------------\n"
    "Given the context information and not prior knowledge, answer the query.\nQuery: {question}\nAnswer: "
)
LLAMA_INDEX_CITATION = (
    "Please provide an answer based solely on the provided sources. When referencing information from a source, "
    "cite the appropriate source(s) using their corresponding numbers. For example:\nSource 1:\nThe sky is red in "
    "the evening.\nSource 2:\nWater is wet when the sky is red.\nQuery: When is water wet?\nAnswer: Water will be "
    "wet when the sky is red [2].\nNow it's your turn. Below are several numbered sources of information:\n------\n"
    "{context}\n------\nQuery: {question}\nAnswer: "
)
LANGCHAIN_RAG = (
    "You are an assistant for question-answering tasks. Use the following pieces of retrieved context to answer "
    "the question. If you don't know the answer, just say that you don't know.\nQuestion: {question} \n"
    "Context: {context} \nAnswer:"
)
CONTEXT_FIRST = (
    "Answer the question based only on the following context:\n\nContext:\n{context}\n\nQuestion: {question}"
)
TAGGED = "<context>\n{context}\n</context>\n\n<question>{question}</question>"
UNLABELLED = "{context}\n\nUsing only the text above: {question}"

FACTS = (
    "Oslo is the capital of Norway. It has about 700,000 inhabitants.\n\n"
    "Bergen is known for its rain, which falls on 231 days of the year.\n\n"
    "The Nidaros cathedral in Trondheim was built over the grave of a king between 1070 and 1300."
)
QUESTION = "On how many days does it rain in Bergen?"
FITTING = "Bergen is known for its rain, which falls on 231 days of the year."

FORMS = {
    "llama-index": [user(LLAMA_INDEX_QA)],
    "langchain": [user(LANGCHAIN_RAG)],
    "context-first": [user(CONTEXT_FIRST)],
    "tagged": [user(TAGGED)],
    "unlabelled": [user(UNLABELLED)],
    "system": [
        {"role": "system", "content": "Use the given context. Say so if you don't know. Context: {context}"},
        user("{question}"),
    ],
    "system-plain": [
        {"role": "system", "content": "Answer from these notes.\n\n{context}"},
        user("{question}"),
    ],
    "parts": [{"role": "user", "content": [{"type": "text", "text": CONTEXT_FIRST}]}],
    "llama-index-content": [
        user("Context information is below.\n---------------------\n\n{context}\n\n\n---------------------\nGiven the"
             " context information and not prior knowledge, answer the query.\nQuery: {question}\nAnswer:")
    ],
}  # fmt: skip


def filled(form, **values):
    def fill(content):
        if isinstance(content, list):
            return [{**part, "text": part["text"].format(**values)} for part in content]
        return content.format(**values)

    return [{**message, "content": fill(message["content"])} for message in form]


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_the_fitting_sentence_is_the_answer_in_every_form(form):
    assert answers.answer(filled(form, context=FACTS, question=QUESTION)) == FITTING


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_the_question_is_told_from_the_context(form):
    reading = prompts.read(filled(form, context=FACTS, question=QUESTION))
    assert reading.question.endswith(QUESTION)
    assert "Nidaros" not in reading.question
    assert "Nidaros" in "".join(passage.text for passage in reading.passages)
    assert QUESTION not in "".join(passage.text for passage in reading.passages)


@pytest.mark.parametrize("form", [FORMS["llama-index"], FORMS["context-first"], FORMS["system"]])
def test_a_context_that_does_not_fit_is_said_not_to(form):
    said = answers.answer(filled(form, context=FACTS, question="Who composed the opera Fidelio?"))
    assert "says nothing about" in said
    assert "Fidelio" in said


def test_a_word_in_common_is_no_answer():
    """Of the capital of France nothing is said where letters can be capitals."""
    context = "A standard names code points and characters. Capital letters have other code points."
    said = answers.answer(
        filled(FORMS["context-first"], context=context, question="What is the capital of France?")
    )
    assert said == "The context that was given says nothing about capital and France."


def test_instructions_of_the_system_are_no_context():
    system = "You are a helpful assistant for questions on the weather in Norway. " * 5
    said = answers.answer([{"role": "system", "content": system}, user("What is the weather in Bergen?")])
    assert "sandbox" in said
    assert "helpful" not in said


def test_sentences_come_in_the_order_they_were_given():
    context = "Tides follow the moon. Bread is baked. Spring tides follow the full moon."
    said = answers.answer(
        [user(CONTEXT_FIRST.format(context=context, question="What do tides follow, which moon?"))]
    )
    assert said.index("Tides follow") < said.index("Spring tides")
    assert "Bread" not in said


@pytest.mark.parametrize(
    "prompt",
    [
        LLAMA_INDEX_CITATION.format(
            context="Source 1:\n{0}\n\nSource 2:\n{1}\n\nSource 3:\n{2}\n", question=QUESTION
        ),
        "Answer and cite your sources as [n].\n\nContext:\n[1] {0}\n\n[2] {1}\n\n[3] {2}\n\nQuestion: "
        + QUESTION,
    ],
    ids=["source-n", "brackets"],
)
def test_sources_are_named_where_the_prompt_asks_for_them(prompt):
    said = answers.answer([user(prompt.format(*FACTS.split("\n\n")))])
    assert said == f"{FITTING} [2]"


def test_sources_are_not_named_unasked():
    numbered = "\n\n".join(f"[{n}] {fact}" for n, fact in enumerate(FACTS.split("\n\n"), 1))
    assert answers.answer([user(LLAMA_INDEX_QA.format(context=numbered, question=QUESTION))]) == FITTING


def test_named_sources_are_cited_by_their_names():
    context = f"[oslo.txt] {FACTS.split(chr(10), maxsplit=1)[0]}\n\n[bergen.txt] {FITTING}"
    prompt = f"Cite the sources.\n\nContext:\n{context}\n\nQuestion: {QUESTION}"
    assert answers.answer([user(prompt)]) == f"{FITTING} [bergen.txt]"


def test_an_answer_is_refined_by_what_is_new():
    refine = (
        "The original query is as follows: {question}\nWe have provided an existing answer: {existing}\n"
        "We have the opportunity to refine the existing answer (only if needed) with some more context below.\n"
        "------------\n{context}\n------------\nGiven the new context, refine the original answer to better answer "
        "the query. If the context isn't useful, return the original answer.\nRefined Answer: "
    )
    kept = answers.answer(
        [user(refine.format(question=QUESTION, existing=FITTING, context="Oslo is large."))]
    )
    assert kept == FITTING
    better = answers.answer(
        [user(refine.format(question=QUESTION, existing="It is wet there.", context=FACTS))]
    )
    assert FITTING in better


def test_tags_around_each_document_are_no_text():
    documents = (
        "<document id='1'>Oslo is in Norway.</document>\n<document id='2'>Rome is in Italy.</document>"
    )
    asked = f"<documents>\n{documents}\n</documents>\n\nWhere is Rome?"
    assert answers.answer([user(asked)]) == "Rome is in Italy."


def test_a_summary_has_sentences_of_the_text():
    text = "The blue whale is the largest animal. It eats krill. Blue whales live in all oceans. " * 3
    said = answers.answer([user(f"Summarize the following text:\n\n{text}")])
    assert "blue whale is the largest animal" in said
    assert len(said) < len(text) / 2


def call(number, name, arguments="{}"):
    return {"id": f"call_{number}", "type": "function", "function": {"name": name, "arguments": arguments}}


def result(number, content):
    return {"role": "tool", "tool_call_id": f"call_{number}", "content": content}


def test_tool_results_are_in_the_answer():
    messages = [
        user("What is the weather in Paris and Rome?"),
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [call(1, "get_weather"), call(2, "get_weather")],
        },
        result(1, '{"celsius": 18}'),
        result(2, '"sunny, 27 °C"'),
    ]
    said = answers.answer(messages)
    assert '{"celsius": 18}' in said
    assert "get_weather: sunny, 27 °C" in said


def test_a_long_result_is_searched_for_the_answer():
    messages = [
        user("What does the with statement do?"),
        {"role": "assistant", "content": "", "tool_calls": [call(1, "search_docs")]},
        result(1, topics["with"]),
    ]
    said = answers.answer(messages)
    assert "wrap the execution of a block" in said
    assert len(said) < 1000


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("The Elbe is 1094 km long.", "The Elbe is 1094 km long."),
        ("28 days", "get_weather: 28 days"),
        ("Yes.", "get_weather: Yes."),
        ('{"days": 28}', 'get_weather: {"days": 28}'),
    ],
)
def test_a_result_that_is_a_sentence_stands_alone(content, said):
    messages = [
        user("How long?"),
        {"role": "assistant", "tool_calls": [call(1, "get_weather")]},
        result(1, content),
    ]
    assert answers.answer(messages) == said


def test_results_of_an_earlier_turn_are_not_repeated():
    messages = [
        user("Weather in Paris?"),
        {"role": "assistant", "content": None, "tool_calls": [call(1, "get_weather")]},
        result(1, "18 degrees"),
        {"role": "assistant", "content": "18 degrees."},
        user("Thanks. What is a lighthouse?"),
    ]
    assert "18 degrees" not in answers.answer(messages)


def test_without_context_it_says_what_it_is_and_what_it_understood():
    said = answers.answer([user("Write a poem about lighthouses.")])
    assert "sandbox" in said
    assert "Write a poem about lighthouses." in said
    assert "poem, lighthouses" in said


def test_images_and_sounds_are_described_by_their_bytes():
    url = "data:image/png;base64," + base64.b64encode(media.png("a fox", 40, 30)).decode()
    parts = [
        {"type": "text", "text": "What is this?"},
        {"type": "image_url", "image_url": {"url": url}},
        {"type": "image_url", "image_url": {"url": "https://example.com/fox.jpg"}},
        {
            "type": "input_audio",
            "input_audio": {"data": base64.b64encode(b"noise" * 20).decode(), "format": "mp3"},
        },
    ]
    said = answers.answer([{"role": "user", "content": parts}])
    assert "png image of 40 x 30 pixels" in said
    assert "https://example.com/fox.jpg" in said
    assert "mp3 sound (100 bytes)" in said


@pytest.mark.parametrize(
    "messages", [[], [user("")], [user(None)], [{"role": "system", "content": "Be brief."}]]
)
def test_nothing_asked_is_no_error(messages):
    assert "no user message" in answers.answer(messages)


def test_thinking_grows_with_effort():
    messages = [user(CONTEXT_FIRST.format(context=FACTS, question=QUESTION))]
    lengths = [
        len(answers.reasoning(messages, effort)) for effort in ("none", "minimal", "low", "medium", "high")
    ]
    assert lengths[0] == 0
    assert lengths == sorted(set(lengths))
    assert (
        answers.reasoning(messages)
        == answers.reasoning(messages, "medium")
        == answers.reasoning(messages, "max")
    )
    assert "Bergen" in answers.reasoning(messages, "low")


@pytest.mark.parametrize(
    "text",
    [
        "a\n" * 20_000,
        "####\n" * 20_000,
        "12 and 13, " * 5000,
        "Anna and Bob, " * 5000,
        "x" * 200_000,
        "((" * 50_000,
    ],
    ids=["lines", "rules", "numbers", "names", "word", "brackets"],
)
def test_long_texts_are_read(text):
    tool = {"type": "function", "function": {"name": "note", "parameters": NOTE}}
    named = {"type": "function", "function": {"name": "note"}}
    answers.answer([user(text)])
    answers.reasoning([user(text)], "high")
    tools.choose([user(text)], [tool])
    assert tools.choose([user(text)], [tool], named)[0] == "note"
    jsonschema.Draft202012Validator(NOTE).validate(instances.fill(NOTE, text))
    vectors.embed(text, 1024)


NOTE = {
    "type": "object",
    "properties": {
        "title": {"type": "string"},
        "number": {"type": "integer"},
        "list": {"type": "array", "items": {"type": "string"}},
        "people": {"type": "array", "items": {"type": "object", "properties": {"name": {"type": "string"}}}},
    },
    "required": ["title", "number", "list", "people"],
}


# Retrieval over the real topics: paragraphs of about 900 characters, vectors first, then relevance.

ASKED = {
    "What does the with statement do?": ({"with"}, "wrap the execution of a block"),
    "How does a try statement with a finally clause behave?": ({"try", "compound"}, "finally"),
    "What is a lambda?": ({"lambda"}, "anonymous functions"),
    "What does the global statement do?": ({"global"}, '"global" statement'),
    "How do I raise an exception from another exception?": ({"raise"}, "exception chaining"),
    "What does the break statement do?": ({"break"}, '"break"'),
    "How are default parameter values evaluated?": ({"function", "compound"}, "left to right"),
    "Which operators have the lowest precedence?": ({"operator-summary"}, "lowest precedence"),
    "How do I step through code in the debugger?": ({"debugger"}, "step"),
    "What does yield do in a function?": ({"yield"}, "generator function"),
}


@cache
def index():
    chunks = []
    for name, text in topics.items():
        held = ""
        for paragraph in text.split("\n\n"):
            if held and len(held) + len(paragraph) > 900:
                chunks.append((name, held))
                held = ""
            held = f"{held}\n\n{paragraph}" if held else paragraph
        chunks.append((name, held))
    return chunks, [of_length_one(vectors.embed(text, 1024)) for _, text in chunks]


def of_length_one(vector):
    length = math.hypot(*vector)
    return [value / length for value in vector]


def retrieved(question):
    """The best 20 by vectors, the best 4 of them by relevance."""
    chunks, embedded = index()
    asked = [(place, value) for place, value in enumerate(vectors.embed(question, 1024)) if value]
    near = sorted(
        range(len(chunks)), key=lambda i: -sum(value * embedded[i][place] for place, value in asked)
    )[:20]
    scores = relevance.scores(question, [chunks[i][1] for i in near])
    best = sorted(range(20), key=lambda i: -scores[i])[:4]
    return [chunks[i] for i in near], [chunks[near[i]] for i in best]


@pytest.mark.xdist_group("documents")  # which are embedded once
@pytest.mark.parametrize("question", ASKED)
def test_real_documents_are_found_and_answer(question):
    wanted, phrase = ASKED[question]
    near, best = retrieved(question)
    assert wanted & {name for name, _ in near[:4]}
    assert wanted & {name for name, _ in best[:2]}
    context = "\n\n".join(text for _, text in best)
    for form in (FORMS["llama-index"], FORMS["context-first"]):
        said = answers.answer(filled(form, context=context, question=question))
        assert phrase in said
        assert "Given the context information" not in said
        assert "***" not in said
        assert len(said) < 1200
