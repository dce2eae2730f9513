"""What a client is made from, each setting checked in one place."""
