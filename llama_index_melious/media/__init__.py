"""Pictures and sound: the tool spec and the audio reader."""
