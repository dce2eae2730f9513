"""What all classes of this package share: constructor arguments, core clients, copies and pickles."""
