"""`melious probe`: asks the live service what its documentation leaves open.

From the ground up: `asking` (a request, and what came back), `verdicts`, `models` (which models are
asked, at what price), `judging`, `questions` (the table), `sending`, `spending`, `scrubbing`,
`runner`, and what comes of it: `report` and `cassette`.
"""
