"""The endpoints, pure: arguments to a request, an answer to a result. One module each; no I/O."""
