"""`MeliousToolSpec` under LlamaIndex's usual path; it lives in `llama_index_melious`.

Examples:
    >>> from llama_index.tools.melious import MeliousToolSpec
    >>> MeliousToolSpec(api_key="sk-mel-...").image_model
    'flux-schnell'
"""

from llama_index_melious import MeliousToolSpec

__all__ = ["MeliousToolSpec"]
