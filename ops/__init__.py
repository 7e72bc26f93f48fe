"""The operator's tool: `python -m ops`, for queues and dead letters. Nothing deployed imports this."""
