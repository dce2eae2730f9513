"""Results: their classes, how they are read, and where they were made."""
