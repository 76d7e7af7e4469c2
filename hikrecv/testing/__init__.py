"""Simulated devices and fixtures, for hikrecv and for plugin authors."""
