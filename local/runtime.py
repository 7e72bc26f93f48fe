"""Microsoft's Python worker runtime, with an app loaded into it.

It imports nothing else, for the cold starts of other apps are measured through it.
"""

from collections.abc import Collection, Mapping
from itertools import count
from pathlib import Path
from types import SimpleNamespace

from azure_functions_runtime import handle_event, start_threadpool_executor
from azure_functions_runtime.bindings.datumdef import Datum
from azure_functions_runtime.bindings.meta import load_binding_registry
from azure_functions_runtime.native_invocation import invocation_request_native

# The protobuf messages that indexing asks for; the numbers are those of the real one's enumerations.
_PROTOS = SimpleNamespace(
    BindingInfo=type("BindingInfo", (SimpleNamespace,), {"undefined": 0, "in": 0, "out": 1, "inout": 2}),
    RpcFunctionMetadata=SimpleNamespace,
)


class App:
    """The app in a folder, indexed as the cloud's worker does; one in a process."""

    def __init__(self, folder: Path, trace_parent: str = "") -> None:
        handle_event.protos = _PROTOS
        load_binding_registry()
        handle_event.load_function_metadata(str(folder), caller_info="worker_init_request")
        start_threadpool_executor()
        self._ids = {function.name: function.function_id for function in handle_event._metadata_result or ()}
        if not self._ids:
            raise RuntimeError(f"no function found in {folder / 'function_app.py'}")
        self._trace_parent = trace_parent
        self._invocations = count(1)

    @property
    def functions(self) -> Collection[str]:
        return self._ids

    async def invoke(
        self, function: str, event: str, kind: str = "json", metadata: Mapping[str, str] | None = None
    ) -> str | None:
        """Return the error's text if the function fails. The runtime logs the rest.

        `kind` is the type of the data, and `metadata` what the host adds to it, each value as JSON.
        """
        function_id = self._ids[function]
        (argument,) = handle_event._functions.get_function(function_id).input_types
        succeeded, _, _, error, _ = await invocation_request_native(
            str(next(self._invocations)),
            function_id,
            [(argument, Datum(event, kind))],
            {key: Datum(value, "json") for key, value in (metadata or {}).items()},
            trace_parent=self._trace_parent,
        )
        return None if succeeded else str(error)
