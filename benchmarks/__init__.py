"""What requests, chunks, vectors, imports and constructors cost a client in CPU time, beside its peers."""
