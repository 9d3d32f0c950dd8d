"""Read: bounded time, ordering and waiting for any process."""
