"""Let time pass on the event loop."""

import asyncio


async def pause(seconds: float) -> None:
    """Return after so many seconds."""
    await asyncio.sleep(seconds)
