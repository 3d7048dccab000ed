"""Operations on an asyncio event loop. The same doors as `interlock._drivers.blocking`."""
