"""`ChatMelious`, part by part."""
