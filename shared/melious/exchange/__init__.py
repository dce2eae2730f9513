"""One call with all its attempts, as a generator of effects; it knows no feature by name."""
