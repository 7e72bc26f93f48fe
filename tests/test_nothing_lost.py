"""The promise that no event is lost while storage and the worker fail."""

from tests.soak import soak


async def test_no_event_is_lost() -> None:
    """The worker is killed, storage hangs and is killed, and events come twice and in random order."""
    result = await soak(events=300, seconds=15, down_seconds=3)

    assert (0, 0) == (result.lost, result.strays), str(result)
    assert 300 == result.published == result.written + result.dead_lettered
    assert result.dead_lettered
    assert result.duplicates
    assert result.retries
