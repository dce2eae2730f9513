"""Chat completions: checking the request, making the answer, cutting it into chunks."""
