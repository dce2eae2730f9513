"""The reranker: a node postprocessor, and the logic of one rerank call."""
