"""Operations on the caller's thread. The same doors as `interlock._drivers.awaitable`."""
