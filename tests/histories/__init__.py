"""Histories of real processes on a real engine, under stops, kills and a network that lies."""
