"""The embedding models under LlamaIndex's usual path; they live in `llama_index_melious`.

Examples:
    >>> from llama_index.embeddings.melious import MeliousEmbedding
    >>> MeliousEmbedding(model="bge-m3", api_key="sk-mel-...").embed_batch_size
    100
"""

from llama_index_melious import MeliousBatchEmbedding, MeliousEmbedding

__all__ = ["MeliousBatchEmbedding", "MeliousEmbedding"]
