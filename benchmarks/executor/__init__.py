"""What a step costs, beside bare asyncio and beside other engines; `make bench-executor`."""
