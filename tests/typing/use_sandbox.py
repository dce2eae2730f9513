"""The sandbox: right use, and wrong use that checkers find."""

from typing import assert_type

from melious.sandbox import Fault, RecordedRequest, Reply, Sandbox


def about_paris(request: RecordedRequest) -> bool:
    return "Paris" in str(request.body)


def wordy(request: RecordedRequest) -> str:
    return str(request.body)


with Sandbox("live", keys={"sk-mel-chat": ["inference.chat"]}, latency=0.1, rate_limit=None) as sandbox:
    assert_type(sandbox, Sandbox)
    assert_type(sandbox.base_url, str)
    assert_type(sandbox.requests[0], RecordedRequest)
    assert_type(sandbox.requests[0].status, int | None)
    assert_type(sandbox.open_connections, int)
    sandbox.replies.add(
        Reply(text="Forty-two."), Reply(chunks=["Forty", "-two."]), times=None, model="glm-4.7"
    )
    sandbox.replies.add(Reply(tool_calls=[("weather", {"city": "Oslo"}), ("weather", "{", "call_1")]))
    sandbox.replies.add(Reply(json={"results": []}), endpoint="rerank", when=about_paris)
    sandbox.faults.add(Fault(endpoint="chat", code="rate_limit", headers={"retry-after": "1"}, times=2))
    sandbox.faults.add(Fault(cost="zero", impact="missing", usage="missing"))

Sandbox("g3")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
Sandbox(port="80")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
Sandbox(delay=1)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
Reply("Forty-two.")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
Reply(txt="Forty-two.")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
Reply(tool_calls=["weather"])  # type: ignore[list-item]  # pyright: ignore[reportArgumentType]
Reply(text="a", finish_reason="done")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
Fault(endpoint="chats")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
Fault(code="rate limit")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
Fault(status="503")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
Fault(stall=3)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
sandbox.replies.add("Forty-two.")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
sandbox.replies.add(Reply(text="a"), endpoint="chats")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
sandbox.replies.add(Reply(text="a"), when=wordy)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
sandbox.faults.add(Reply(text="a"))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
sandbox.requests[0].body = 5
sandbox.base_url = "http://other"  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
