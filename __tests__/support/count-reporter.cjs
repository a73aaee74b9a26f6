'use strict'

// Ends the run with one line that is readable for people and machines, and says why tests were skipped.
module.exports = class CountReporter {
  onRunComplete(_contexts, results) {
    const skipped = results.testResults.flatMap((file) =>
      file.testResults.filter((test) => test.status === 'pending' || test.status === 'todo')
    )
    // A group that is skipped because something is missing names it in its title.
    const reasons = skipped.map(
      (test) => test.ancestorTitles.find((title) => title.includes('[skipped: ')) ?? test.fullName
    )
    for (const reason of new Set(reasons))
      process.stdout.write(`skipped: ${reasons.filter((other) => other === reason).length} × ${reason}\n`)
    const failed = results.numFailedTests + results.numRuntimeErrorTestSuites
    // At exit, so that it is the last line, after the summary of Jest's own reporter.
    process.once('exit', () => process.stdout.write(`${results.numPassedTests} passed, ${failed} failed\n`))
  }
}
