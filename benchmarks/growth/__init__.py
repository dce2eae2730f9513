"""Cost as work grows: every curve should be linear or flat. `python -m benchmarks.growth`."""
