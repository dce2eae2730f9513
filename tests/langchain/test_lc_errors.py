"""Every error of the core is the fitting error of LangChain too, on every way it can come."""

import pickle

import pytest
from langchain_core import exceptions as langchain

from langchain_melious import errors
from melious import errors as core
from melious.sandbox import Fault

EXPECTED = {
    "ConfigurationError": langchain.ModelError,
    "InvalidArgumentError": langchain.ModelInvalidRequestError,
    "APIConnectionError": langchain.ModelConnectionError,
    "StreamTruncatedError": langchain.ModelConnectionError,
    "APITimeoutError": langchain.ModelTimeoutError,
    "DeadlineExceededError": langchain.ModelTimeoutError,
    "ResponseDecodeError": langchain.ModelAPIError,
    "BudgetExceededError": langchain.ModelError,
    "ModelRefusalError": getattr(langchain, "ModelRefusalError", langchain.ModelError),
    "ResidencyError": langchain.ModelError,
    "APIStatusError": langchain.ModelError,
    "BadRequestError": langchain.ModelInvalidRequestError,
    "ContextLengthExceededError": langchain.ContextOverflowError,
    "AuthenticationError": langchain.ModelAuthenticationError,
    "PermissionDeniedError": langchain.ModelPermissionDeniedError,
    "InsufficientBalanceError": langchain.ModelPermissionDeniedError,
    "NotFoundError": langchain.ModelNotFoundError,
    "ModelNotFoundError": langchain.ModelNotFoundError,
    "RateLimitError": langchain.ModelRateLimitError,
    "PageLimitError": langchain.ModelPermissionDeniedError,
    "ServerError": langchain.ModelAPIError,
    "ProviderError": langchain.ModelAPIError,
    "NoProvidersAvailableError": langchain.ModelAPIError,
}


def kinds(of=core.MeliousError):
    return [kind for sub in of.__subclasses__() for kind in (sub, *kinds(sub)) if kind.__name__ in vars(core)]


def test_none_is_forgotten():
    assert {kind.__name__ for kind in kinds()} == set(EXPECTED)
    assert {
        kind.__name__ for kind in kinds(langchain.ModelError) if kind.__module__ == errors.__name__
    } == set(EXPECTED)


@pytest.mark.parametrize("name", EXPECTED)
def test_both_families(name):
    kind = getattr(core, name)
    error = kind("it failed", status_code=418, code="tea", request_id="req_1", body={"a": 1}, retry_after=2.0)
    error.attempts, error.elapsed, error.partial = 3, 1.5, "half"
    ours = errors.for_langchain(error)
    assert type(ours) is getattr(errors, name)
    assert isinstance(ours, kind)
    assert isinstance(ours, EXPECTED[name])
    assert ours.is_retryable == kind.is_retryable
    assert ours.advice == kind.advice
    again = pickle.loads(pickle.dumps(ours))
    for made in (ours, again):
        assert str(made) == str(error)
        assert (made.status_code, made.request_id, made.attempts, made.partial) == (418, "req_1", 3, "half")
    assert errors.for_langchain(ours) is ours


def test_the_tree_is_that_of_the_core():
    for name in EXPECTED:
        for parent in EXPECTED:
            assert issubclass(getattr(errors, name), getattr(errors, parent)) == issubclass(
                getattr(core, name), getattr(core, parent)
            )


def test_only_what_may_pass_is_retryable_for_agents():
    assert not errors.AuthenticationError.is_retryable
    assert not errors.NoProvidersAvailableError.is_retryable
    assert not issubclass(errors.BadRequestError, langchain.ModelAPIError)
    assert errors.RateLimitError.is_retryable


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (Fault(code="auth"), langchain.ModelAuthenticationError),
        (Fault(code="scope"), langchain.ModelPermissionDeniedError),
        (Fault(code="model_not_found"), langchain.ModelNotFoundError),
        (Fault(code="malformed"), langchain.ModelInvalidRequestError),
        (Fault(code="context_length"), langchain.ContextOverflowError),
        (Fault(code="rate_limit"), langchain.ModelRateLimitError),
        (Fault(code="insufficient_quota"), errors.InsufficientBalanceError),
        (Fault(status=500), langchain.ModelAPIError),
        (Fault(cut_after_bytes=0, times=None), langchain.ModelConnectionError),
        (Fault(delay=600.0), langchain.ModelTimeoutError),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_what_the_service_says(way, chat, sandbox, fault, expected, streamed):
    sandbox.faults.add(fault)
    call = way.stream if streamed else way.invoke
    with pytest.raises(expected) as caught:
        call(chat(max_retries=0, timeout=0.2 if fault.delay else 60, max_rate_limit_wait=0), "Hello")
    assert isinstance(caught.value, core.MeliousError)
    assert caught.value.__context__ is None or caught.value.__suppress_context__


OVERFLOWS = [
    (400, {"error": {"message": "x", "code": "context_length_exceeded", "type": "invalid_request_error"}}),
    (400, {"error": {"message": "x", "code": "INFERENCE_3207"}}),
    (400, {"error": {"message": "This model's maximum context length is 8192 tokens."}}),
    (413, {"error": {"message": "Prompt exceeds the context window"}}),
    (400, {"error": {"message": "Input is too long for the requested model"}}),
]


@pytest.mark.parametrize(("status", "body"), OVERFLOWS)
def test_an_overflow_is_known_by_its_code_and_by_its_words(way, chat, sandbox, status, body):
    sandbox.faults.add(Fault(status=status, body=body))
    with pytest.raises(langchain.ContextOverflowError):
        way.invoke(chat(), "Hello")


def test_an_error_inside_a_stream(way, chat, sandbox):
    sandbox.faults.add(Fault(error_after_events=40, code="context_length"))
    with pytest.raises(langchain.ContextOverflowError) as caught:
        way.stream(chat(), "What is a heat pump?")
    assert caught.value.partial.reasoning


@pytest.mark.parametrize("name", ["embed_documents", "embed_query"])
def test_embeddings(way, embeddings, sandbox, name):
    sandbox.faults.add(Fault(code="auth"))
    with pytest.raises(langchain.ModelAuthenticationError):
        way.call(embeddings(), name, ["a"] if name == "embed_documents" else "a")


@pytest.mark.parametrize("name", ["compress_documents", "rerank"])
def test_rerank(way, rerank, sandbox, name):
    from langchain_core.documents import Document

    sandbox.faults.add(Fault(code="rate_limit"))
    with pytest.raises(langchain.ModelRateLimitError):
        way.call(rerank(max_retries=0), name, [Document("a")], "a")


def test_fallbacks_and_retries_of_langchain_switch_on_the_classes(way, chat, sandbox):
    sandbox.faults.add(Fault(status=500))
    first = chat(max_retries=0)
    chain = first.with_fallbacks(
        [chat("llama-3.3-70b-instruct")], exceptions_to_handle=(langchain.ModelAPIError,)
    )
    assert way.invoke(chain, "Hello").response_metadata["model_name"] == "llama-3.3-70b-instruct"
