"""The page. Streamlit runs this file from top to bottom for each message; what stays is in the session."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing

import streamlit as st
from langchain_core.messages import AIMessage, HumanMessage

from langchain_melious import ChatMelious
from melious import ImpactLedger, MeliousError, track_impact
from melious.impact.units import Units, euro

ROUTES = {
    "balanced": "Balanced",
    "eco": "Least carbon",
    "price": "Lowest price",
    "speed": "Fastest",
}

st.set_page_config(page_title="Chat with a receipt", page_icon="🧾")
st.title("Chat with a receipt")
session = st.session_state
session.setdefault("messages", [])
session.setdefault("rows", [])

with st.sidebar:
    route = st.selectbox("Route", list(ROUTES), format_func=ROUTES.__getitem__)
    exact = st.toggle("Exact figures", help="Ask for whole answers: the service reports no cost for streams.")
    receipt = st.empty()


def show_receipt() -> None:
    """Show the sums of the session. What streams did not report is estimated from whole answers."""
    ledger = ImpactLedger.from_rows(session.rows, estimate=True)
    total = ledger.total
    unit, factor = Units.of(total).carbon
    carbon = "—" if total.carbon_g_co2 is None else f"{total.carbon_g_co2 * factor:.3g} {unit}"
    with receipt.container():
        st.metric("Reported cost", euro(total.eur))
        st.metric("Reported carbon", carbon)
        if total.estimated:
            st.caption(f"and about {euro(total.estimated_eur)} for what was streamed")
        if total.simulated:
            st.caption("Simulated: the sandbox made these figures up.")
        if total.requests:
            with st.expander("By model and country"):
                st.markdown(ledger.to_markdown())
            page = str(ledger.to_html(title="Receipt of a chat"))
            st.download_button("Download the receipt", page, "receipt.html", key=f"receipt {total.requests}")


def answer() -> Generator[str]:
    """The answer to the conversation, piece by piece."""
    first = all(
        row.entry.cost is None for row in session.rows
    )  # requested whole, to estimate the others from
    llm = ChatMelious(model=f"glm-4.7:{route}", stream_impact="buffer" if exact or first else "native")
    for chunk in llm.stream(session.messages):
        yield chunk.text


for message in session.messages:
    st.chat_message("user" if message.type == "human" else "assistant").write(message.text)
show_receipt()

if question := st.chat_input("Ask something"):
    session.messages.append(HumanMessage(question))
    st.chat_message("user").write(question)
    with st.chat_message("assistant"), track_impact(keep_rows=100) as ledger:
        try:
            with closing(answer()) as pieces:
                session.messages.append(AIMessage(st.write_stream(pieces)))
        except MeliousError as error:
            session.messages.pop()  # so that the question can be asked again
            st.error(str(error))
        finally:
            session.rows.extend(ledger.rows)
    show_receipt()
