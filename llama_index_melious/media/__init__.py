"""Images and audio: the tools for agents, and the readers of recordings and documents."""
