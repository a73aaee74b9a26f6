/** How many messages zlib's threads may work on at the same time. Each takes 256 KiB of memory. */
const CONCURRENCY = 4

type Job = (done: () => void) => void

const jobs: Job[] = []
let running = 0

/** Runs a job in zlib's threads when it is its turn. */
export function schedule(job: Job): void {
  jobs.push(job)
  runJobs()
}

function runJobs(): void {
  while (running < CONCURRENCY && jobs.length > 0) {
    running++
    ;(jobs.shift() as Job)(() => {
      running--
      runJobs()
    })
  }
}
