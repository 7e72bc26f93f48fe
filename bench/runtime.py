"""Loads an app into Microsoft's Python worker runtime and invokes its function, with no import of its own."""

import logging
import os
from pathlib import Path
from types import SimpleNamespace
from typing import override

from azure_functions_runtime import handle_event, start_threadpool_executor
from azure_functions_runtime.bindings.datumdef import Datum
from azure_functions_runtime.bindings.meta import load_binding_registry
from azure_functions_runtime.native_invocation import invocation_request_native

# The protobuf messages that indexing asks for; the numbers are those of the real one's enumerations.
_PROTOS = SimpleNamespace(
    BindingInfo=type("BindingInfo", (SimpleNamespace,), {"undefined": 0, "in": 0, "out": 1, "inout": 2}),
    RpcFunctionMetadata=SimpleNamespace,
)


class _Forwarding(logging.Handler):
    """Formats every record, as the cloud's worker does before it sends it to the host."""

    @override
    def emit(self, record: logging.LogRecord) -> None:
        self.format(record)


def configure_logging() -> None:
    """Take records from INFO up, as the cloud's worker does by default."""
    logging.basicConfig(level=logging.INFO, handlers=[_Forwarding()])


class App:
    """The function `sms` of an app, indexed."""

    def __init__(self, folder: Path) -> None:
        handle_event.protos = _PROTOS
        load_binding_registry()
        handle_event.load_function_metadata(str(folder), caller_info="worker_init_request")
        start_threadpool_executor()
        ids = {function.name: function.function_id for function in handle_event._metadata_result}
        self._ids: dict[str, str] = ids

    async def invoke(self, function: str, event: str) -> None:
        """Invoke a function, on the runtime's threads if it is no coroutine. Raises RuntimeError."""
        succeeded, _, _, error, _ = await invocation_request_native(
            "bench", self._ids[function], [("event", Datum(event, "json"))], {}
        )
        if not succeeded:
            raise RuntimeError(error)


def memory_kib(field: str) -> int:
    """Return VmRSS, the memory of this process, or VmHWM, its peak."""
    # getrusage's peak is at least that of the process that started this one.
    lines = Path(f"/proc/{os.getpid()}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field))
