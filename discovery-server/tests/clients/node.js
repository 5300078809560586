// Lives through registration, discovery and departure with each of the npm clients, with and without deltas.
// Prints one line for each that got everything right.
'use strict'

const assert = require('assert')

const { hostname, port } = new URL(process.env.EUREKA_URL)
const auth = { user: process.env.EUREKA_NAME, pass: process.env.EUREKA_SECRET }
const quiet = { debug () {}, info () {}, warn () {}, error () {} }

function client (name, app, delta) {
  const { Eureka } = require(name)
  const eureka = new Eureka({
    instance: {
      app,
      instanceId: `127.0.0.1:${app}:9001`,
      hostName: '127.0.0.1',
      ipAddr: '127.0.0.1',
      port: { $: 9001, '@enabled': true },
      vipAddress: app,
      statusPageUrl: 'http://127.0.0.1:9001/actuator/info',
      dataCenterInfo: { '@class': 'com.netflix.appinfo.InstanceInfo$DefaultDataCenterInfo', name: 'MyOwn' },
      leaseInfo: { renewalIntervalInSecs: 1, durationInSecs: 5 }
    },
    eureka: {
      host: hostname,
      port,
      // The default, /eureka/v2/apps/, in one of the two runs.
      ...(delta ? {} : { servicePath: '/eureka/apps/' }),
      heartbeatInterval: 500,
      registryFetchInterval: 100
    },
    shouldUseDelta: delta,
    requestMiddleware: (request, done) => done({ ...request, auth })
  })
  eureka.logger = quiet
  return eureka
}

const start = (eureka) => new Promise((resolve, reject) => eureka.start((error) => error ? reject(error) : resolve()))
const stop = (eureka) => new Promise((resolve, reject) => eureka.stop((error) => error ? reject(error) : resolve()))

async function until (what, condition) {
  const deadline = Date.now() + 30000
  while (!condition()) {
    assert(Date.now() < deadline, `not in time: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

async function life (name, delta) {
  const kind = delta ? 'delta' : 'full'
  const reader = client(name, 'js-reader', delta)
  await start(reader)
  const writer = client(name, 'js-writer', delta)
  await start(writer)
  await until(`${name} ${kind}: seen by id`, () => reader.getInstancesByAppId('JS-WRITER').length === 1)
  assert.strictEqual(reader.getInstancesByVipAddress('js-writer')[0].ipAddr, '127.0.0.1')
  // Longer than the lease: only the heartbeats keep it alive.
  await new Promise((resolve) => setTimeout(resolve, 6500))
  assert.strictEqual(reader.getInstancesByAppId('JS-WRITER').length, 1)
  await stop(writer)
  await until(`${name} ${kind}: gone`, () => reader.getInstancesByAppId('JS-WRITER').length === 0)
  await stop(reader)
}

async function main () {
  for (const name of ['eureka-js-client', '@rocketsoftware/eureka-js-client']) {
    for (const delta of [false, true]) await life(name, delta)
    console.log(`ok ${name} ${require(`${name}/package.json`).version}`)
  }
}

main().catch((error) => {
  console.error(error)
  process.exit(1)
})
