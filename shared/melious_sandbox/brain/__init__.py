"""What the sandbox makes up where nothing is scripted: answers, tool calls, vectors, scores, pictures."""
