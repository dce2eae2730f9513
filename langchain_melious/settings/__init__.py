"""The settings that every class shares."""
