"""`POST /chat` streams an answer as server-sent events; `GET /bill` and `/bill.html` give the bill."""

from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Annotated, Any

from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.responses import HTMLResponse, JSONResponse
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from fastapi.sse import EventSourceResponse, ServerSentEvent
from langchain_core.prompts import ChatPromptTemplate
from pydantic import BaseModel

from examples.fastapi_bill.accounts import Account
from langchain_melious import ChatMelious
from melious import BudgetExceededError, MeliousError

PROMPT = ChatPromptTemplate([("system", "Answer in two sentences at most."), ("human", "{question}")])
Credentials = Annotated[HTTPAuthorizationCredentials, Depends(HTTPBearer())]


class Question(BaseModel):
    """The body of `POST /chat`."""

    question: str


def create_app(users: Mapping[str, str], folder: Path, *, max_cost_eur: str = "1.00") -> FastAPI:
    """Make the application.

    Args:
        users: The name of the user for each token that may call.
        folder: Where the accounts are kept.
        max_cost_eur: What each user may spend.
    """
    app = FastAPI(title="Answers with a bill")
    accounts = {user: Account(user, folder, max_cost_eur) for user in users.values()}
    llm = ChatMelious(model="glm-4.7", flavor="eco")

    async def account_of(credentials: Credentials) -> Account:
        user = users.get(credentials.credentials)
        if user is None:
            raise HTTPException(401, "This token is not known.")
        return accounts[user]

    async def paying(account: Annotated[Account, Depends(account_of)]) -> AsyncIterator[Account]:
        account.budget.check()  # refuses with a status, before the stream begins
        with account.charged():  # until the response is sent, or the reader has left
            yield account

    @app.exception_handler(BudgetExceededError)
    async def payment_required(_request: Request, _error: BudgetExceededError) -> JSONResponse:
        return JSONResponse({"detail": f"Your budget of {max_cost_eur} EUR is used up."}, status_code=402)

    @app.post("/chat", response_class=EventSourceResponse)
    async def chat(
        body: Question, account: Annotated[Account, Depends(paying)]
    ) -> AsyncIterator[ServerSentEvent]:
        # Only whole answers report their cost. A user's first answer is one, and teaches the estimates.
        first = account.budget.spent.with_cost == 0
        messages = PROMPT.format_messages(question=body.question)
        try:
            async for chunk in llm.astream(messages, stream_impact="buffer" if first else "native"):
                if chunk.text:
                    yield ServerSentEvent(event="token", data=chunk.text)
        except MeliousError as error:
            yield ServerSentEvent(event="error", data=str(error))
        yield ServerSentEvent(event="bill", data=summary(account))

    @app.get("/bill")
    async def bill(account: Annotated[Account, Depends(account_of)]) -> dict[str, Any]:
        return summary(account)

    @app.get("/bill.html")
    async def bill_page(account: Annotated[Account, Depends(account_of)]) -> HTMLResponse:
        return HTMLResponse(account.bill().to_html(title="Your bill"))

    return app


def summary(account: Account) -> dict[str, Any]:
    """The sums of a bill as values of JSON; what was not reported is null."""
    total = account.bill().to_dict(json=True)["total"]
    names = ("requests", "input_tokens", "output_tokens", "eur", "estimated_eur", "carbon_g_co2", "simulated")
    return {name: total[name] for name in names}
