"""Requests: the HTTP API around a backend, without Ray."""
