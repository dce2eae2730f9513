"""The readers of Melious under LlamaIndex's usual path; they live in `llama_index_melious`.

Examples:
    >>> from llama_index.readers.melious import MeliousAudioReader, MeliousDocumentReader
    >>> MeliousAudioReader(api_key="sk-mel-...").model
    'whisper-large-v3-turbo'
    >>> MeliousDocumentReader(api_key="sk-mel-...").return_full_document
    False
"""

from llama_index_melious import MeliousAudioReader, MeliousDocumentReader

__all__ = ["MeliousAudioReader", "MeliousDocumentReader"]
