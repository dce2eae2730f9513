"""The embedding model, and its view of LlamaIndex's vector cache."""
