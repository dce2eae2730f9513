"""`MeliousRerank`, a node postprocessor."""
