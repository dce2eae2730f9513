"""The LLM: messages to the wire, answers to responses, streams, tools and structured output."""
