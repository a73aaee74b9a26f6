"""A plain JSON-RPC client on Python's `websockets`: sends an event, calls, answers an ask, and prints what it saw as JSON."""
import asyncio
import json
import sys

import websockets


async def main(url):
    seen = []
    async with websockets.connect(url) as ws:
        await ws.send(json.dumps({"jsonrpc": "2.0", "method": "say", "params": {"text": "hi"}}))
        seen.append(json.loads(await ws.recv()))
        await ws.send(json.dumps({"jsonrpc": "2.0", "id": 1, "method": "echo", "params": {"text": "x"}}))
        ask = json.loads(await ws.recv())
        seen.append(ask)
        await ws.send(json.dumps({"jsonrpc": "2.0", "id": ask["id"], "result": {"text": "yes"}}))
        seen.append(json.loads(await ws.recv()))
        await ws.send(json.dumps({"jsonrpc": "2.0", "id": 2, "method": "rename", "params": {"text": "x"}}))
        seen.append(json.loads(await ws.recv()))
    print(json.dumps(seen))


asyncio.run(main(*sys.argv[1:]))
