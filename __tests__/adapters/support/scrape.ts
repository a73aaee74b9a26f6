/** What `metrics()` of a registry gives. */
interface Registry {
  metrics(): Promise<string>
}

/** The series of a scrape with their values. The labels of a series are in the order of the alphabet. */
export async function scrape(registry: Registry): Promise<Map<string, number>> {
  return seriesOf(await registry.metrics())
}

/** The series of a text in the format of Prometheus. */
export function seriesOf(text: string): Map<string, number> {
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  return new Map(
    lines.map((line) => {
      const [, name = '', labels = '', value] = /^(\w+)(?:\{(.*)\})? (\S+)$/.exec(line) ?? []
      const sorted = [...labels.matchAll(/\w+="[^"]*"/g)].map(([label]) => label).toSorted()
      return [`${name}${sorted.length > 0 ? `{${sorted.join(',')}}` : ''}`, Number(value)]
    })
  )
}
