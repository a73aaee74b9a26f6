/** Runs tasks with the same key one after the other. */
export class Turns {
  #last = new Map()

  async take(key, work) {
    const turn = after(this.#last.get(key), work)
    this.#last.set(key, turn)
    try {
      return await turn
    } finally {
      if (this.#last.get(key) === turn) this.#last.delete(key)
    }
  }
}

/** An error of the previous task is for its own caller, not for the next task. */
async function after(before, work) {
  await before?.catch(() => {})
  return work()
}
