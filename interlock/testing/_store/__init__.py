"""A DynamoDB in memory that is correct for the calls used, and can be compared to a real one."""
