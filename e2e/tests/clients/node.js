// Reads scraped metrics with parse-prometheus-text-format: one line for each file that holds what it should.
'use strict'

const assert = require('assert')
const fs = require('fs')
const parse = require('parse-prometheus-text-format')
const { version } = require('parse-prometheus-text-format/package.json')

for (const path of process.argv.slice(2)) {
  const families = parse(fs.readFileSync(path, 'utf8'))
  const family = (name) => {
    const found = families.filter((one) => one.name === name)
    assert.strictEqual(found.length, 1, `${path}: ${name}`)
    return found[0]
  }
  const requests = family('http_server_requests_seconds')
  assert.strictEqual(requests.type, 'HISTOGRAM')
  // This parser keeps one histogram of a family, whatever its labels; gauges and counters it keeps all.
  const buckets = requests.metrics[0].buckets
  assert(Number(buckets['+Inf']) > 0, path)
  assert(Object.keys(buckets).every((bound) => bound === '+Inf' || bound.includes('.')), path)
  const longest = family('http_server_requests_seconds_max')
  assert(longest.metrics.length > 1 && longest.metrics.every((one) => one.labels.uri && one.labels.outcome), path)
  assert(family('logback_events_total').metrics.every((one) => one.labels.level), path)
  assert(Number(family('process_uptime_seconds').metrics[0].value) > 0, path)
  for (const one of families) assert(one.help, `${path}: ${one.name} says nothing of itself`)
  console.log(`ok parse-prometheus-text-format ${version} ${path}`)
}
