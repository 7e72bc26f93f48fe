"""A floor, not an alternative: a function that does nothing, which leaves what the worker runtime costs."""

import azure.functions as func

app = func.FunctionApp()


@app.function_name("sms")
@app.event_grid_trigger(arg_name="event")
async def sms(event: str) -> None:
    """Take an event."""
