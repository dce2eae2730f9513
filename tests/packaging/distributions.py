"""The distributions of `packaging/`, by the names that people type."""

CLASSES = {
    "langchain-melious": ("langchain_melious", "ChatMelious"),
    "llama-index-llms-melious": ("llama_index.llms.melious", "Melious"),
    "llama-index-embeddings-melious": ("llama_index.embeddings.melious", "MeliousEmbedding"),
    "llama-index-postprocessor-melious-rerank": ("llama_index.postprocessor.melious_rerank", "MeliousRerank"),
    "llama-index-readers-melious": ("llama_index.readers.melious", "MeliousAudioReader"),
    "llama-index-tools-melious": ("llama_index.tools.melious", "MeliousToolSpec"),
}
"""The conventional import path of each distribution, and the class that its users look for."""
