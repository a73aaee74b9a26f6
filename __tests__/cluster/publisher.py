"""Publishes to the clients of a cluster over Redis, as docs/scaling.md describes it: port, room or id, text."""
import re
import socket
import struct
import sys

TEXT = 1


def envelope(kind, payload, ids=(), origin=bytes(8)):
    """A message to the subscribers of a channel; it is not numbered, so generation, sequence and id are 0."""
    header = struct.pack(">BBBx8sIIIHH", 0xFB, 1, kind, origin, 0, 0, 0, len(ids), 0)
    return header + b"".join(struct.pack(">H", len(one)) + one.encode() for one in ids) + payload


def publish(port, channel, message):
    """Redis' own protocol, so that nothing has to be installed: redis.Redis().publish(channel, message) does the same."""
    parts = [b"PUBLISH", channel, message]
    command = b"*3\r\n" + b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts)
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(command)
        return connection.recv(64)


port, target, text = int(sys.argv[1]), sys.argv[2], sys.argv[3]
is_id = re.fullmatch(r"[0-9a-f]{12}(-[0-9a-f]+){5}", target) is not None
if target == "*":
    channel = "blaze:all"
elif is_id:
    channel = "blaze:process:" + target[:12]
else:
    channel = "blaze:room:" + target
message = envelope(TEXT, text.encode(), [target] if is_id else [])
print(publish(port, channel.encode(), message).decode().strip())
