"""FastAPI: streamed answers, and a bill and a budget for each user."""
