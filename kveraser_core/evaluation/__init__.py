"""Measuring erase methods: tasks on held-out text, every method on the same examples, a report."""
