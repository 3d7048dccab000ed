"""Scripts that write parts of the repository; each can check that what it wrote is up to date."""
