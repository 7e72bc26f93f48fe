"""What every event family shares: decoding, outcomes, fates, storage."""
