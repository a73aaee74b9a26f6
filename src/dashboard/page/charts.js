import { byId, el, setText } from './dom.js'
import { compact, count, milliseconds, rate, time } from './format.js'
import uPlot from './uplot.js'

const HEIGHT = 150
/** The steps between the lines of a chart: 1, 2, 5, 10, 20 … */
const WHOLE_STEPS = Array.from({ length: 30 }, (_, i) => [1, 2, 5][i % 3] * 10 ** Math.floor(i / 3))

/** The charts, and the lines of each: the name in the data, a label and a colour. */
const CHARTS = [
  { title: 'Connections', unit: 'open', format: count, lines: [['open', 'open', '--line-1']] },
  {
    title: 'Messages',
    unit: 'per second',
    format: rate,
    lines: [
      ['messagesIn', 'in', '--line-1'],
      ['messagesOut', 'out', '--line-2']
    ]
  },
  { title: 'Event-loop delay', unit: 'longest in 5 s', format: milliseconds, lines: [['delay', 'delay', '--line-3']] },
  { title: 'Refused upgrades', unit: 'in 5 s', format: count, lines: [['refused', 'refused', '--line-4']] },
  { title: 'Slow clients', unit: 'in 5 s', format: count, lines: [['slow', 'slow', '--line-4']] }
]

/** The line charts of the last ten minutes. */
export class Charts {
  #charts = CHARTS.map((chart) => new Chart(chart))
  #data

  constructor() {
    byId('charts').append(...this.#charts.map(({ element }) => element))
    const resized = new ResizeObserver(() => {
      for (const chart of this.#charts) chart.resize()
    })
    resized.observe(byId('charts'))
    // The colours are drawn, so they have to be drawn again.
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.#draw(true))
  }

  show({ lines, period }) {
    const end = Date.now() / 1000
    const times = lines.open.map((_, i) => end - ((lines.open.length - 1 - i) * period) / 1000)
    this.#data = { times, lines }
    this.#draw(false)
  }

  #draw(isNew) {
    if (this.#data === undefined) return
    for (const chart of this.#charts) chart.show(this.#data, isNew)
  }
}

class Chart {
  element
  #chart
  #values
  #time = el('span', { className: 'time' })
  #plot = el('div', { className: 'plot' })
  #alternative = el('figcaption', { className: 'sr-only' })
  #uplot
  #data

  constructor(chart) {
    this.#chart = chart
    this.#values = chart.lines.map(([name, label, colour]) =>
      valueOf(name, chart.lines.length > 1 ? label : '', colour)
    )
    this.#plot.setAttribute('aria-hidden', 'true')
    const title = el('h3', {}, chart.title, ' ', el('small', { textContent: chart.unit }))
    const numbers = el('p', { className: 'values' }, ...this.#values.map(({ element }) => element), this.#time)
    this.element = el('figure', { className: 'chart' }, title, numbers, this.#plot, this.#alternative)
  }

  show({ times, lines }, isNew) {
    this.#data = [times, ...this.#chart.lines.map(([name]) => lines[name])]
    this.#showValues(undefined)
    setText(this.#alternative, this.#chart.lines.map(([name, label]) => this.#describe(label, lines[name])).join(' '))
    if (isNew) this.#uplot?.destroy()
    if (isNew || this.#uplot === undefined) this.#uplot = new uPlot(this.#options(), this.#data, this.#plot)
    else this.#uplot.setData(this.#data)
  }

  resize() {
    this.#uplot?.setSize({ width: this.#plot.clientWidth, height: HEIGHT })
  }

  /** The newest values, or those at a place where the pointer is. */
  #showValues(place) {
    const { format } = this.#chart
    for (const [i, { text }] of this.#values.entries()) {
      const line = this.#data[i + 1]
      setText(text, format(place === undefined ? line.at(-1) : line[place]))
    }
    setText(this.#time, place === undefined ? '' : time(this.#data[0][place] * 1000))
  }

  #describe(label, line) {
    const known = line.filter((value) => value !== null)
    if (known.length === 0) return `${this.#chart.title}, ${label}: no values yet.`
    const { format } = this.#chart
    const highest = format(Math.max(...known))
    return `${this.#chart.title}, ${label}: now ${format(line.at(-1))}; in ten minutes ${format(Math.min(...known))} to ${highest}.`
  }

  #options() {
    const style = getComputedStyle(document.documentElement)
    const colour = (name) => style.getPropertyValue(name).trim()
    const axis = {
      stroke: colour('--muted'),
      font: '12px system-ui, sans-serif',
      grid: { stroke: colour('--grid'), width: 1 },
      ticks: { show: false }
    }
    return {
      width: this.#plot.clientWidth,
      height: HEIGHT,
      padding: [8, 8, 0, 0],
      legend: { show: false },
      cursor: { sync: { key: 'time' }, drag: { x: false, y: false }, points: { size: 7 } },
      scales: { y: { range: (_, _min, max) => [0, Math.max(4, max * 1.1)] } },
      axes: [
        { ...axis, grid: { show: false }, space: 70, size: 28, values: (_, ticks) => ticks.map(minutes) },
        {
          ...axis,
          space: 36,
          size: 46,
          incrs: WHOLE_STEPS,
          values: (_, ticks) => ticks.map(this.#chart.format === milliseconds ? milliseconds : compact)
        }
      ],
      series: [{}, ...this.#chart.lines.map(([, label, name]) => this.#series(label, colour(name)))],
      hooks: { setCursor: [({ cursor }) => this.#showValues(cursor.idx ?? undefined)] }
    }
  }

  #series(label, stroke) {
    const fill = this.#chart.lines.length === 1 ? `${stroke}22` : undefined
    return { label, stroke, fill, width: 2, points: { show: false }, spanGaps: false }
  }
}

function valueOf(name, label, colour) {
  const text = el('span', { className: 'value', textContent: '–' })
  text.dataset.value = name
  const key = label === '' ? [] : [el('span', { className: 'key', textContent: label }), ' ']
  const element = el('span', { className: 'labelled' }, ...key, text)
  element.dataset.colour = colour
  return { element, text }
}

function minutes(seconds) {
  return new Date(seconds * 1000).toLocaleTimeString(undefined, { hour: '2-digit', minute: '2-digit' })
}
