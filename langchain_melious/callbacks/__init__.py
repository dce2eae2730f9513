"""What is told to LangChain's callbacks, and handlers of our own."""
