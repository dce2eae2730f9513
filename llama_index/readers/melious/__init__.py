"""`MeliousAudioReader` under LlamaIndex's usual path; it lives in `llama_index_melious`.

Examples:
    >>> from llama_index.readers.melious import MeliousAudioReader
    >>> MeliousAudioReader(api_key="sk-mel-...").model
    'whisper-large-v3-turbo'
"""

from llama_index_melious import MeliousAudioReader

__all__ = ["MeliousAudioReader"]
