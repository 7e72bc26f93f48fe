"""Moves the messages of a `-poison` or `-set-aside` queue back to the queue that they came from.

python put_back.py acs-sms-poison acs-sms
"""

import sys

import storage

HIDDEN_SECONDS = 300
"""Seconds for which a message that was received, but not moved, is hidden."""


def main(source: str, target: str) -> None:
    """Move the messages that are in the queue now. A stop in between may move one of them twice."""
    waiting = storage.queue(source).get_queue_properties().approximate_message_count or 0
    moved = 0
    if waiting:
        for message in storage.queue(source).receive_messages(
            messages_per_page=32, max_messages=waiting, visibility_timeout=HIDDEN_SECONDS
        ):
            storage.queue(target).send_message(message.content, time_to_live=-1)
            storage.queue(source).delete_message(message)
            moved += 1
    print(f"{moved} messages moved from {source} to {target}")


if __name__ == "__main__":
    main(*sys.argv[1:])
