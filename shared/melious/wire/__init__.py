"""Bytes to dicts and back, pure: JSON, server-sent events, chunks, uploads, compression."""
