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
  assert(requests.metrics.some((one) => Number(one.count) > 0), path)
  assert(requests.metrics.every((one) => one.labels === undefined || !('le' in one.labels)), path)
  assert(Number(family('process_uptime_seconds').metrics[0].value) > 0, path)
  for (const one of families) assert(one.help, `${path}: ${one.name} says nothing of itself`)
  console.log(`ok parse-prometheus-text-format ${version} ${path}`)
}
