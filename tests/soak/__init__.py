"""The soak: many callers against a server that fails one answer in ten; both ends count, and the counts must agree.

python -m tests.soak --seconds 180 --transport httpx --seed 1
"""
