"""`MeliousRerank` under LlamaIndex's usual path; it lives in `llama_index_melious`.

Examples:
    >>> from llama_index.postprocessor.melious_rerank import MeliousRerank
    >>> MeliousRerank(model="bge-reranker-v2-m3", api_key="sk-mel-...", top_n=4).top_n
    4
"""

from llama_index_melious import MeliousRerank

__all__ = ["MeliousRerank"]
