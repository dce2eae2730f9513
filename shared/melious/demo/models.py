"""The models that the demo uses, and the relevance that a passage needs to be a source."""

CHAT_MODEL = "gpt-oss-120b"
EMBEDDING_MODEL = "bge-m3"
RERANK_MODEL = "bge-reranker-v2-m3"
MIN_RELEVANCE = 0.01
