export const name = 'uWebSockets.js'

async function load() {
  try {
    return (await import('uwebsockets')).default
  } catch (error) {
    // The last line has the cause; those before it list the supported platforms.
    throw new Error(`cannot be loaded: ${error.message.trim().split('\n').at(-1)}`, { cause: error })
  }
}

/** Throws if the binary for this machine cannot be loaded; the contender is then left out, with this reason. */
export async function start({ deflate }) {
  const uWS = await load()
  let size = 0
  const app = uWS.App().ws('/*', {
    compression: deflate ? uWS.SHARED_COMPRESSOR | uWS.SHARED_DECOMPRESSOR : uWS.DISABLED,
    open(socket) {
      size++
      socket.subscribe('all')
    },
    message: (socket, data, isBinary) => void socket.send(data, isBinary, Boolean(deflate)),
    close: () => void size--
  })
  const listener = await new Promise((resolve) => app.listen('127.0.0.1', 0, resolve))
  return {
    port: uWS.us_socket_local_port(listener),
    broadcast(payload, count) {
      for (let i = 0; i < count; i++) app.publish('all', payload, false, Boolean(deflate))
    },
    size: () => size
  }
}
