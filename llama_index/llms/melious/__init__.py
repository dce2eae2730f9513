"""`Melious` under LlamaIndex's usual path; it lives in `llama_index_melious`.

Examples:
    >>> from llama_index.llms.melious import Melious
    >>> Melious(model="glm-4.7", api_key="sk-mel-...").metadata.is_chat_model
    True
"""

from llama_index_melious import Melious

__all__ = ["Melious"]
