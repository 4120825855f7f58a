# ruff: noqa: N802  the protocol names the methods
"""The log and trace settings of ``inference.GRPCInferenceService``.

The log level can be changed. The server writes no traces.
"""

import logging

from protos import open_inference_pb2 as pb
from serving.errors import InvalidInputError, PermissionDeniedError, UnsupportedError

LEVELS = {"log_error": logging.ERROR, "log_warning": logging.WARNING, "log_info": logging.INFO}
"""The boolean log settings with their levels, from the most to the least important."""

ENABLE = "start the server with --model-control-mode explicit, or with --tokens, to allow it"
"""How to enable administration, for error texts."""

TRACE_DEFAULTS = {
    "trace_level": ["OFF"],
    "trace_rate": ["1000"],
    "trace_count": ["-1"],
    "log_frequency": ["0"],
}
"""The trace settings of a server that writes no traces."""


class SettingsService:
    """The log and trace settings.

    Args:
        log: The parent of all loggers of the server.
        changeable: Whether requests may change log settings.
    """

    def __init__(self, log: logging.Logger, *, changeable: bool) -> None:
        self._log = log
        self._changeable = changeable

    async def TraceSetting(
        self, request: pb.TraceSettingRequest, _deadline: float | None
    ) -> pb.TraceSettingResponse:
        """Report that tracing is off; refuse to turn it on."""
        for name, setting in request.settings.items():
            wanted = list(setting.value)
            # A setting without values is reset to its default.
            if wanted and (name, wanted) != ("trace_level", ["OFF"]):
                raise UnsupportedError(f"this server writes no traces and cannot set '{name}'; read /metrics")
        response = pb.TraceSettingResponse()
        for name, values in TRACE_DEFAULTS.items():
            response.settings[name].value.extend(values)
        return response

    async def LogSettings(
        self, request: pb.LogSettingsRequest, _deadline: float | None
    ) -> pb.LogSettingsResponse:
        """Change log settings if the request has any, and return them."""
        if request.settings and not self._changeable:
            raise PermissionDeniedError(f"what is logged is not changed by requests here; {ENABLE}")
        level = self._log.getEffectiveLevel()
        for name, setting in request.settings.items():
            if setting.WhichOneof("parameter_choice") is not None:
                level = _changed(level, name, setting)
        if request.settings:
            self._log.setLevel(level)
        return _settings(self._log.getEffectiveLevel())


def _changed(level: int, name: str, setting: pb.LogSettingsRequest.SettingValue) -> int:
    """The log level after a setting is applied. A level includes all more important ones."""
    kind = setting.WhichOneof("parameter_choice")
    if name in LEVELS:
        if kind != "bool_param":
            raise InvalidInputError(f"the log setting '{name}' is true or false")
        return min(level, LEVELS[name]) if setting.bool_param else max(level, LEVELS[name] + 10)
    if name == "log_verbose_level":
        if kind != "uint32_param":
            raise InvalidInputError(f"the log setting '{name}' is a whole number from 0")
        return logging.DEBUG if setting.uint32_param else max(level, logging.INFO)
    if name in {"log_file", "log_format"}:
        raise UnsupportedError(f"the log setting '{name}' is decided when the server starts")
    raise InvalidInputError(
        f"there is no log setting '{name}'; there are {', '.join(LEVELS)}, log_verbose_level"
    )


def _settings(level: int) -> pb.LogSettingsResponse:
    response = pb.LogSettingsResponse()
    for name, least in LEVELS.items():
        response.settings[name].bool_param = level <= least
    response.settings["log_verbose_level"].uint32_param = int(level <= logging.DEBUG)
    response.settings["log_file"].string_param = ""
    response.settings["log_format"].string_param = "default"
    return response
