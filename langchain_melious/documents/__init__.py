"""Documents for LangChain: the parser of blobs, and the loader of files."""
