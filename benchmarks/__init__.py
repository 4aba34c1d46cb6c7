"""Measurements that are too long for the tests: what the tools do on real speech."""
