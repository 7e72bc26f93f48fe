"""The promise that no event is lost, kept while what the app depends on breaks."""

from tests.soak import soak


async def test_no_event_is_lost() -> None:
    """Worker killed, storage hung and killed, events twice and in no order: each comes out where it must."""
    result = await soak(events=300, seconds=15, down_seconds=3)

    assert (0, 0) == (result.lost, result.strays), str(result)
    assert 300 == result.published == result.written + result.dead_lettered
    assert result.dead_lettered
    assert result.duplicates
    assert result.retries
