"""What callers hold: a client builds a request, sends it, and reads the answer."""
