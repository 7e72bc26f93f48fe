"""Microsoft's Python worker runtime, with an app loaded into it.

It imports nothing else, for the cold starts of other apps are measured through it.
"""

from collections.abc import Mapping
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from azure_functions_runtime import handle_event, start_threadpool_executor
from azure_functions_runtime.bindings.meta import load_binding_registry

# The protobuf messages that indexing and invoking ask for; the numbers are those of the real enumerations.
_PROTOS = SimpleNamespace(
    BindingInfo=type("BindingInfo", (SimpleNamespace,), {"undefined": 0, "in": 0, "out": 1, "inout": 2}),
    InvocationResponse=SimpleNamespace,
    ParameterBinding=SimpleNamespace,
    RpcException=SimpleNamespace,
    RpcFunctionMetadata=SimpleNamespace,
    StatusResult=type("StatusResult", (SimpleNamespace,), {"Failure": 0, "Success": 1}),
    TypedData=SimpleNamespace,
)


class App:
    """The app in a folder, indexed and invoked as Azure's worker does it on this version of Python.

    A process can have only one.
    """

    def __init__(self, folder: Path, trace_parent: str = "") -> None:
        handle_event.protos = _PROTOS
        load_binding_registry()
        handle_event.load_function_metadata(str(folder), caller_info="worker_init_request")
        start_threadpool_executor()
        self.functions = {found.name: found.function_id for found in handle_event._metadata_result or ()}
        """The runtime's ids of the functions, by their names."""
        if not self.functions:
            raise RuntimeError(f"no function found in {folder / 'function_app.py'}")
        self._trace = SimpleNamespace(trace_parent=trace_parent, trace_state="", attributes={})
        self._invocations = count(1)

    async def invoke(
        self, function: str, event: str, kind: str = "json", metadata: Mapping[str, str] | None = None
    ) -> str | None:
        """Return the error's text if the function fails. The runtime logs the rest.

        `kind` is the type of the data, and `metadata` what the host adds to it, each value as JSON.
        """
        function_id = self.functions[function]
        (argument,) = handle_event._functions.get_function(function_id).input_types
        invocation = SimpleNamespace(
            invocation_id=str(next(self._invocations)),
            function_id=function_id,
            input_data=[_OneOf("data", data=_OneOf(kind, **{kind: event}), name=argument)],
            trigger_metadata={key: _OneOf("json", json=value) for key, value in (metadata or {}).items()},
            trace_context=self._trace,
            retry_context=SimpleNamespace(retry_count=0, max_retry_count=0, exception=None),
        )
        response = await handle_event.invocation_request(
            SimpleNamespace(request=SimpleNamespace(invocation_request=invocation))
        )
        if response.result.status == _PROTOS.StatusResult.Success:
            return None
        return str(response.result.exception.message)


class _OneOf(SimpleNamespace):
    """A protobuf message of which one field is set."""

    def __init__(self, field: str, **fields: Any) -> None:
        super().__init__(**fields)
        self.WhichOneof = lambda _: field
