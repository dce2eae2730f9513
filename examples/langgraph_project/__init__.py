"""A LangGraph project that `langgraph dev` serves."""
