"""The end of a server, in an order in which clients lose nothing.

new calls are refused -> no connection is taken -> what is in flight is answered -> connections part -> the end
"""

import asyncio
from contextlib import suppress

from serving.flow_control.flow_control import FlowControl
from serving.server.admission import Admission
from serving.server.signals import Signals
from serving.transport.transport import Transport

LAST_MOMENT = 1.0
"""Most seconds that clients have to notice that the server is leaving, and handlers that their calls have ended."""


async def drain(
    transport: Transport, admission: Admission, flow: FlowControl, signals: Signals, seconds: float
) -> bool:
    """Refuse new calls and wait for those that ask for work, not for idle streams; then end them all.

    Args:
        transport: Carries the calls.
        admission: Admits them.
        flow: The calls in flight.
        signals: What the process is told meanwhile.
        seconds: Most time for answering.

    Returns:
        Whether all were answered.
    """
    admission.close()
    transport.stop_listening()
    flow.close()
    idle = asyncio.create_task(flow.idle())
    now = asyncio.create_task(signals.now.wait())
    await asyncio.wait((idle, now), timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    answered = idle.done() or not flow.in_flight
    idle.cancel()
    now.cancel()
    if answered:
        await admission.quiet()
        await transport.goaway(LAST_MOMENT)
    await transport.close()
    with suppress(TimeoutError):
        # The transport does not wait for the handlers of the calls that it ended.
        await asyncio.wait_for(flow.idle(), LAST_MOMENT)
    return answered
