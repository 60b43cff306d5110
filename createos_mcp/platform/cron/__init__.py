"""Requests that are sent on a schedule."""
