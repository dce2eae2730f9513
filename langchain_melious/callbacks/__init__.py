"""What LangChain's callbacks learn of requests: cost, retries, and totals by run and tag."""
