"""Small applications on Melious; each folder stands alone. `python -m examples.fastapi_bill` runs one."""
