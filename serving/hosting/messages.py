"""Parses the messages of requests without taking much more memory than they have bytes."""

from typing import Any

from google.protobuf.descriptor import Descriptor
from google.protobuf.message import DecodeError, Message

from serving.hosting.request_validation import RequestError, invalid

MAX_FIELDS = 10_000
"""The most fields of a message, those of the messages in it counted. A tensor has few: numbers are
packed into one field, strings are as many as the batch has rows."""

_VARINT, _EIGHT_BYTES, _LENGTH, _FOUR_BYTES = 0, 1, 2, 5
_VARINT_BYTES = 10


def parse(message_type: type[Message], data: bytes) -> Any:
    """Parses a message whose fields are few.

    An empty message in a message takes two bytes in a request and a hundred in memory, so that the
    limit on the size of requests would not limit what parsing them takes.

    Args:
        message_type: The class of the message.
        data: The message as it came.

    Raises:
        RequestError: INVALID_ARGUMENT, it is no such message or has too many fields.
    """
    try:
        _check_field_count(memoryview(data), message_type.DESCRIPTOR)
        return message_type.FromString(data)
    except (DecodeError, IndexError) as error:
        raise _not_a_message(message_type.DESCRIPTOR) from error


def _check_field_count(data: memoryview, descriptor: Descriptor) -> None:
    count, waiting = 0, [(0, len(data), descriptor)]
    while waiting:
        position, end, inside = waiting.pop()
        while position < end:
            count += 1
            if count > MAX_FIELDS:
                raise invalid(f"{descriptor.name} has more than {MAX_FIELDS} fields")
            tag, position = _read_varint(data, position)
            if tag & 7 == _VARINT:
                _, position = _read_varint(data, position)
            elif tag & 7 == _EIGHT_BYTES:
                position += 8
            elif tag & 7 == _FOUR_BYTES:
                position += 4
            elif tag & 7 == _LENGTH:
                size, position = _read_varint(data, position)
                field = inside.fields_by_number.get(tag >> 3)
                if field and field.message_type:
                    waiting.append((position, min(position + size, end), field.message_type))
                position += size
            else:  # groups, which none of these messages has
                raise _not_a_message(descriptor)


def _read_varint(data: memoryview, position: int) -> tuple[int, int]:
    """Returns the number at a position, and the position after it; IndexError past the end."""
    value = 0
    for place in range(_VARINT_BYTES):
        byte = data[position + place]
        value |= (byte & 0x7F) << 7 * place
        if byte < 0x80:
            return value, position + place + 1
    raise IndexError("a number has too many bytes")


def _not_a_message(descriptor: Descriptor) -> RequestError:
    return invalid(f"the request is not a {descriptor.name} message")
