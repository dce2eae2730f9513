"""What came back, for people: results, how they are read, and where they were made."""
