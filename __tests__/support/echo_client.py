"""A client on Python's `websockets`: runs one scenario against an echo server and prints what it saw as JSON."""
import asyncio
import json
import sys

import websockets


async def echo(url, compression):
    binary = bytes(range(256)) * 16
    long = "0123456789abcdef" * 65_536  # 1 MiB
    async with websockets.connect(url, compression=compression, max_size=None) as ws:
        await ws.send("grüß dich 😀")
        text = await ws.recv()
        await ws.send(binary)
        is_binary = await ws.recv() == binary
        await ws.send(long)
        is_long = await ws.recv() == long
        await ws.send(["frag", "men", "ted"])
        fragmented = await ws.recv()
        await ws.send("")
        empty = await ws.recv()
        pong = await ws.ping(b"are you there?")
        await asyncio.wait_for(pong, 10)
        await ws.close(4001, "that is all")
    return {
        "text": text,
        "binary": is_binary,
        "long": is_long,
        "fragmented": fragmented,
        "empty": empty,
        "pong": True,
        "extensions": [extension.name for extension in ws.extensions],
        "code": ws.close_code,
        "reason": ws.close_reason,
    }


async def closed(url):
    """Waits until the server closes."""
    async with websockets.connect(url) as ws:
        try:
            while True:
                await ws.recv()
        except websockets.ConnectionClosed:
            return {"code": ws.close_code, "reason": ws.close_reason}


async def subprotocol(url):
    async with websockets.connect(url, subprotocols=["v1", "v2"]) as ws:
        return {"protocol": ws.subprotocol}


async def refused(url):
    try:
        async with websockets.connect(url):
            return {"status": 101}
    except websockets.InvalidStatusCode as error:
        return {"status": error.status_code}


async def main(scenario, url):
    scenarios = {
        "echo": lambda: echo(url, "deflate"),
        "echo-plain": lambda: echo(url, None),
        "closed": lambda: closed(url),
        "subprotocol": lambda: subprotocol(url),
        "refused": lambda: refused(url),
    }
    print(json.dumps(await scenarios[scenario]()))


asyncio.run(main(*sys.argv[1:]))
