"""Publishes to the clients of a cluster over Redis, as docs/scaling.md describes it: port, room, text."""
import socket
import struct
import sys

TEXT = 1


def envelope(kind, payload, origin=bytes(8)):
    """A message to all subscribers of a channel; it is not numbered, so generation, sequence and id are 0."""
    return struct.pack(">BBBx8sIIIHH", 0xFB, 1, kind, origin, 0, 0, 0, 0, 0) + payload


def publish(port, channel, message):
    """Redis' own protocol, so that nothing has to be installed: redis.Redis().publish(channel, message) does the same."""
    parts = [b"PUBLISH", channel, message]
    command = b"*3\r\n" + b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts)
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(command)
        return connection.recv(64)


port, room, text = int(sys.argv[1]), sys.argv[2], sys.argv[3]
channel = "blaze:all" if room == "*" else "blaze:room:" + room
print(publish(port, channel.encode(), envelope(TEXT, text.encode())).decode().strip())
