"""Who is let in, and what those leave who go."""

import asyncio
import threading

import grpc
import pytest

from serving.hosting.admission import Admission
from serving.hosting.request_validation import RequestError
from tests.server_calls import SECONDS


def run(test) -> None:
    asyncio.run(asyncio.wait_for(test, SECONDS))


async def refusal(admission: Admission, client: str) -> grpc.StatusCode:
    with pytest.raises(RequestError) as raised:
        await admission.run(client, lambda: None)
    return raised.value.code


def test_one_client_leaves_a_quarter_of_the_places_to_others():
    async def ask() -> None:
        admission, gate = Admission(running=1, admitted=8), threading.Event()
        work = [asyncio.ensure_future(admission.run("a", gate.wait)) for _ in range(6)]
        await asyncio.sleep(0)
        assert await refusal(admission, "a") == grpc.StatusCode.RESOURCE_EXHAUSTED
        others = [asyncio.ensure_future(admission.run("b", lambda: 2)) for _ in range(2)]
        await asyncio.sleep(0)
        assert await refusal(admission, "c") == grpc.StatusCode.RESOURCE_EXHAUSTED
        gate.set()
        assert await asyncio.gather(*work, *others) == [True] * 6 + [2] * 2
        assert await admission.run("a", lambda: 3) == 3

    run(ask())


def test_work_that_waits_is_given_up_with_its_call_and_work_that_runs_keeps_its_place():
    async def ask() -> None:
        admission, gate, begun = Admission(1, 2), threading.Event(), threading.Event()

        def work() -> None:
            begun.set()
            gate.wait()

        calls = [
            asyncio.ensure_future(admission.run("a", work)),
            asyncio.ensure_future(admission.run("b", lambda: pytest.fail("was given up"))),
        ]
        await asyncio.to_thread(begun.wait)
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
        assert not admission.close(0)  # one is running still
        gate.set()
        assert admission.close(SECONDS)
        assert await refusal(admission, "a") == grpc.StatusCode.UNAVAILABLE

    run(ask())
