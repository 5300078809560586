// Reads the test's configuration with each of the npm clients. Prints one line for each that got everything right.
'use strict'

const assert = require('assert')
const { mkdtempSync, writeFileSync } = require('fs')
const { tmpdir } = require('os')
const { join } = require('path')

const endpoint = process.env.CONFIG_URL
const auth = { user: process.env.CONFIG_NAME, pass: process.env.CONFIG_SECRET }
const version = (name) => require(`${name}/package.json`).version

async function cloudConfigClient (name) {
  const client = require(name)
  // These clients resolve placeholders from what they are handed, not from what they have read.
  const context = { 'db.host': 'db.example', 'db.port': 3307 }
  const config = await client.load({ endpoint, auth, name: 'svc', profiles: ['dev', 'mysql'], label: 'feature/x', context })
  assert.strictEqual(config.get('who'), 'svc-mysql')
  assert.strictEqual(config.get('db.port'), 3307)
  assert.strictEqual(config.get('db.password'), 'mysecret')
  assert.strictEqual(config.get('db.url'), 'mysql://db.example:3307')
  assert.strictEqual(config.get('list[1]'), 'b')
  assert.strictEqual(config.get('from.label'), true)
  const plain = await client.load({ endpoint, auth, name: 'svc' })
  assert.strictEqual(plain.get('who'), 'svc')
  await assert.rejects(client.load({ endpoint, auth: { user: 'svc', pass: 'wrong' }, name: 'svc' }), /401/)
  await assert.rejects(client.load({ endpoint, auth, name: 'other' }), /403/)
}

async function springCloudConfig () {
  const folder = mkdtempSync(join(tmpdir(), 'spring-cloud-config-'))
  const url = new URL(endpoint)
  Object.assign(url, { username: auth.user, password: auth.pass })
  writeFileSync(join(folder, 'application.yml'), 'local: 1\nwho: local\n')
  const config = { enabled: true, name: 'svc', endpoint: url.href.replace(/\/$/, ''), label: 'main', 'fail-fast': true }
  writeFileSync(join(folder, 'bootstrap.yml'), JSON.stringify({ spring: { cloud: { config } } }))
  const loaded = await require('spring-cloud-config').load({ configPath: folder, activeProfiles: ['dev'], level: 'error' })
  assert.strictEqual(loaded.local, 1)
  assert.strictEqual(loaded.who, 'svc-dev')
  assert.strictEqual(loaded.db.port, 3307)
  // This client leaves list elements under their flat names.
  assert.deepStrictEqual([loaded['list[0]'], loaded['list[1]']], ['a', 'b'])
}

async function main () {
  for (const name of ['cloud-config-client', 'nice-cloud-config-client']) {
    await cloudConfigClient(name)
    console.log(`ok ${name} ${version(name)}`)
  }
  await springCloudConfig()
  console.log(`ok spring-cloud-config ${version('spring-cloud-config')}`)
}

main().catch((error) => {
  console.error(error)
  process.exit(1)
})
