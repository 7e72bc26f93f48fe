"""The entry point of the Azure Functions app: names the event families, each a module in `functions`."""

from importlib import import_module

import azure.functions as func

app = func.FunctionApp()
for family in ("sms", "chat_message", "chat_thread", "membership"):
    app.register_functions(import_module(f"functions.{family}").blueprint)
