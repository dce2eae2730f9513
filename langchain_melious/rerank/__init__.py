"""`MeliousRerank`, a document compressor."""
