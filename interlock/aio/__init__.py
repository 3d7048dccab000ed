"""The library's clients for asyncio, over aiobotocore (`pip install interlock[aio]`)."""
