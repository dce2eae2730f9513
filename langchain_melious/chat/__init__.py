"""The chat model: requests, messages, answers whole and streamed, tools, structured output."""
