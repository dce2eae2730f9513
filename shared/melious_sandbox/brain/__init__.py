"""What the sandbox knows how to do: pure functions, the same answer for the same request."""
