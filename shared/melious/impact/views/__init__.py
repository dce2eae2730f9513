"""What a ledger shows: table, HTML, plot, CSV, pandas."""
