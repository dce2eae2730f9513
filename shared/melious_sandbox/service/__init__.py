"""What the service does for every request: profiles, keys, limits, routes, bills, faults, replies, record."""
