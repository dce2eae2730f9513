"""The notebooks, and how to run them."""
