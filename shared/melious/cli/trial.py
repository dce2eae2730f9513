"""`melious doctor --try`: one small request that is really answered, and its receipt."""

from __future__ import annotations

from melious.catalogue import ModelCard, Selection, all_models
from melious.cli.checks import Check, Failed, Passed, milliseconds
from melious.cli.words import in_shell_words
from melious.clients._sync.client import MeliousClient
from melious.errors import MeliousError, PermissionDeniedError
from melious.impact import ImpactLedger, track_impact

_DEADLINE = 60.0
_QUESTION = "Reply with the word OK."
_MOST_TOKENS = 16
_SHOWN = 40


def try_request(base_url: str, model: str, *, allow_insecure_http: bool) -> tuple[Check, ImpactLedger | None]:
    """Send one chat request; gives what came of it, and its receipt.

    Args:
        base_url: The service.
        model: The model; empty for the cheapest chat model that does not reason.
        allow_insecure_http: Let the key go unencrypted to a host other than this machine.
    """
    with MeliousClient(
        base_url=base_url, allow_insecure_http=allow_insecure_http, max_retries=0, deadline=_DEADLINE
    ) as client:
        try:
            model = model or _cheapest(client)
        except MeliousError as error:
            return _failed(error), None
        with track_impact() as ledger:
            try:
                answer = client.chat.create(
                    model=model,
                    messages=[{"role": "user", "content": _QUESTION}],
                    max_tokens=_MOST_TOKENS,
                )
            except MeliousError as error:
                return _failed(error), ledger
    text = " ".join((answer.text or "").split())[:_SHOWN]
    said = f"{model} answered {repr(text) if text else 'without a text'} in {milliseconds(answer.elapsed)}"
    facts = {"model": model, "request_id": answer.request_id, "receipt": ledger.to_dict(json=True)}
    return Passed("request", said, facts), ledger


def _failed(error: MeliousError) -> Check:
    facts = {"status_code": error.status_code, "request_id": error.request_id}
    return Failed("request", in_shell_words(error), facts)


def _cheapest(client: MeliousClient) -> str:
    try:
        cards = client.models.find(type="chat", order_by="price")
    except PermissionDeniedError:
        cards = Selection(type="chat", order_by="price").of(all_models())
    return _quickest(cards).id if cards else "gpt-oss-120b"


def _quickest(cards: list[ModelCard]) -> ModelCard:
    """The first that does not reason, since reasoning may use up the few tokens of the answer."""
    return next((card for card in cards if card.reasoning is False), cards[0])
