"""The models that the demo uses."""

CHAT_MODEL = "gpt-oss-120b"
EMBEDDING_MODEL = "bge-m3"
RERANK_MODEL = "bge-reranker-v2-m3"
