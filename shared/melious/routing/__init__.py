"""Where a request may run, as pure values: presets, flavors, filters, and what to relax."""
