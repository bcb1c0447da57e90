from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import pytest

from api.tasks.listing.shared_reads import SharedReads


@dataclass
class Store:
    """A store that is read when the test says so."""

    reads: list[str] = field(default_factory=list)
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    running: int = 0
    most_at_once: int = 0
    _begun: asyncio.Condition = field(default_factory=asyncio.Condition)

    def read(self, key: str) -> Callable[[], Awaitable[int]]:
        """Return a read, whose result is its number."""

        async def read() -> int:
            self.reads.append(key)
            number = len(self.reads)
            self.running += 1
            self.most_at_once = max(self.most_at_once, self.running)
            async with self._begun:
                self._begun.notify_all()
            await self.gate.wait()
            self.running -= 1
            return number

        return read

    async def until_read(self, count: int) -> None:
        """Wait until so many reads have begun."""
        async with asyncio.timeout(5), self._begun:
            await self._begun.wait_for(lambda: len(self.reads) >= count)


async def test_requests_during_an_equal_read_share_the_next_one_and_not_that_one() -> None:
    store, reads = Store(), SharedReads[int]()
    first = asyncio.create_task(reads.run("a", store.read("a"), "acme"))
    await store.until_read(1)
    others = [asyncio.create_task(reads.run("a", store.read("a"), "acme")) for _ in range(20)]
    other_key = asyncio.create_task(reads.run("b", store.read("b"), "acme"))
    await store.until_read(2)
    assert store.reads == ["a", "b"]
    store.gate.set()
    assert await first == 1
    assert await other_key == 2
    assert set(await asyncio.gather(*others)) == {3}
    assert store.reads == ["a", "b", "a"]
    assert await reads.run("a", store.read("a"), "acme") == 4


async def test_no_more_than_the_limit_are_read_at_once_and_all_are_in_the_end() -> None:
    store, reads = Store(), SharedReads[int](max_at_once=2)
    running = [asyncio.create_task(reads.run(key, store.read(key), "acme")) for key in "abcde"]
    await store.until_read(2)
    store.gate.set()
    await asyncio.gather(*running)
    assert sorted(store.reads) == [*"abcde"]
    assert store.most_at_once == 2


async def test_a_request_that_is_cancelled_takes_the_result_from_no_other() -> None:
    store, reads = Store(), SharedReads[int]()
    blocking = asyncio.create_task(reads.run("a", store.read("a"), "acme"))
    await store.until_read(1)
    leaving, staying, later = (asyncio.create_task(reads.run(key, store.read(key), "acme")) for key in "aab")
    await store.until_read(2)
    leaving.cancel()
    store.gate.set()
    assert (await blocking, await later, await staying) == (1, 2, 3)
    with pytest.raises(asyncio.CancelledError):
        await leaving


async def test_a_queued_read_is_dropped_with_its_last_request_and_takes_no_slot() -> None:
    store, reads = Store(), SharedReads[int](max_at_once=2, max_of_tenant=1)
    blocking = asyncio.create_task(reads.run("a", store.read("a"), "acme"))
    await store.until_read(1)
    abandoned = [asyncio.create_task(reads.run(key, store.read(key), "acme")) for key in "aabbc"]
    waiting = asyncio.create_task(reads.run("c", store.read("c"), "acme"))
    other = asyncio.create_task(reads.run("other", store.read("other"), "globex"))
    await store.until_read(2)
    for request in abandoned:
        request.cancel()
    await asyncio.wait(abandoned)
    renewed = asyncio.create_task(reads.run("b", store.read("b"), "acme"))
    store.gate.set()
    await asyncio.gather(blocking, other, waiting, renewed)
    assert store.reads == ["a", "other", "c", "b"]


async def test_a_read_that_runs_ends_although_nobody_waits_for_it_any_more() -> None:
    store, reads = Store(), SharedReads[int]()
    leaving = asyncio.create_task(reads.run("a", store.read("a"), "acme"))
    await store.until_read(1)
    leaving.cancel()
    await asyncio.wait((leaving,))
    waiting, other = (asyncio.create_task(reads.run(key, store.read(key), "acme")) for key in "ab")
    await store.until_read(2)
    assert store.reads == ["a", "b"], "an equal read runs"
    store.gate.set()
    assert (await other, await waiting) == (2, 3)


async def test_a_tenant_with_many_reads_leaves_slots_to_others() -> None:
    store, reads = Store(), SharedReads[int](max_at_once=3, max_of_tenant=2)
    many = [asyncio.create_task(reads.run(key, store.read(key), "acme")) for key in "abcdef"]
    await store.until_read(2)
    other = asyncio.create_task(reads.run("other", store.read("other"), "globex"))
    await store.until_read(3)
    assert store.reads == ["a", "b", "other"]
    store.gate.set()
    await asyncio.gather(other, *many)
    assert sorted(store.reads) == [*"abcdef", "other"]


async def test_all_requests_of_a_read_that_fails_get_its_error_and_the_next_is_read_anew() -> None:
    store, reads = Store(), SharedReads[int]()
    store.gate.set()

    async def fail() -> int:
        raise OSError("no store")

    both = await asyncio.gather(*(reads.run("a", fail, "acme") for _ in range(2)), return_exceptions=True)
    assert [str(error) for error in both] == ["no store"] * 2
    assert await reads.run("a", store.read("a"), "acme") == 1
