"""`MeliousEmbedding`."""
