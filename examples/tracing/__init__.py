"""Tracing with OpenTelemetry: to Phoenix, Langfuse, LangSmith, or the terminal."""
