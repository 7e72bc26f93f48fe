"""The entry point of the Azure Functions app: one line per event family."""

import azure.functions as func

from functions import chat_message, chat_thread, membership, sms

app = func.FunctionApp()
app.register_blueprint(sms.blueprint)
app.register_blueprint(chat_message.blueprint)
app.register_blueprint(chat_thread.blueprint)
app.register_blueprint(membership.blueprint)
