"""The answer to a chat request that a script gives."""

from melious_sandbox.brain import tokens
from melious_sandbox.chat.completion import Choice, Completion, call_tokens, tool_call, usage_of
from melious_sandbox.chat.counts import work_of
from melious_sandbox.chat.request import ChatRequest
from melious_sandbox.service.impact import Work
from melious_sandbox.service.reply import Reply


def scripted(request: ChatRequest, reply: Reply, cached_tokens: int) -> Completion:
    """Give the answer that a reply stands for, as it stands."""
    calls = [
        tool_call(f"{request.prompt_tokens}:{number}", call.name, call.arguments_text(), call.id)
        for number, call in enumerate(reply.calls())
    ]
    pieces = reply.pieces()
    choice = Choice(
        content=tokens.pieces(reply.text or "") if pieces is None else pieces,
        reasoning=tokens.pieces(reply.reasoning or ""),
        tool_calls=calls,
        finish_reason=reply.finish_reason or ("tool_calls" if calls else "stop"),
    )
    if reply.usage is not None:
        usage = dict(reply.usage)
        return Completion(choice, usage, work_of(usage, request.prompt_tokens, choice.texts()))
    reasoning_tokens = len(choice.reasoning)
    written = reasoning_tokens + tokens.count("".join(choice.content)) + sum(map(call_tokens, calls))
    usage = usage_of(request, written, reasoning_tokens, cached_tokens)
    return Completion(choice, usage, Work(request.prompt_tokens, usage["completion_tokens"], cached_tokens))
