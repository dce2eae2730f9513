"""`MeliousToolSpec` and `MeliousHostedToolSpec` under LlamaIndex's usual path.

They live in `llama_index_melious`.

Examples:
    >>> from llama_index.tools.melious import MeliousToolSpec
    >>> MeliousToolSpec(api_key="sk-mel-...").image_model
    'flux-schnell'
"""

from llama_index_melious import MeliousHostedToolSpec, MeliousToolSpec

__all__ = ["MeliousHostedToolSpec", "MeliousToolSpec"]
