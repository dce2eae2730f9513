"""The blocking side."""
