"""Images and audio: the tools for agents, and the reader that transcribes recordings."""
