import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { ClavigerError } from '../../../src/errors.ts';
import { defaultConfig, loadConfig, parseConfig, type Config } from '../../../src/server/config.ts';

let folder: string;
before(() => {
  folder = mkdtempSync(join(tmpdir(), 'claviger-config-'));
  writeFileSync(join(folder, 'passphrase'), 'correct horse battery\n');
  writeFileSync(join(folder, 'region'), 'eu-west-1\r\n');
});
after(() => rmSync(folder, { recursive: true }));

describe('defaults', () => {
  test('listen on loopback, keep the store beside, and have limits', () => {
    const { listen, store, tenants, limits, tls, seal } = defaultConfig();
    assert.deepEqual(listen, { address: '127.0.0.1', port: 8550 });
    assert.deepEqual(store, { kind: 'sqlite', folder: './claviger-data' });
    assert.deepEqual(tenants, [{ name: 'default' }]);
    assert.deepEqual(limits, { cryptoPerSecond: 200_000, changesPerSecond: 100 });
    assert.deepEqual([tls, seal], [undefined, undefined], 'nothing that is secret has a default');
  });

  test('are what an empty file says, and a file of comments', () => {
    for (const text of ['', '\n\n', '# nothing yet\n', '{}']) {
      assert.deepEqual(config(text), {
        ...defaultConfig(),
        store: { kind: 'sqlite', folder: join(folder, 'claviger-data') },
      });
    }
  });
});

describe('a file', () => {
  test('is YAML or JSON', () => {
    const yaml = 'region: eu-west-1\nlisten:\n  port: 9000\n';
    assert.deepEqual(config(yaml), config('{ "region": "eu-west-1", "listen": { "port": 9000 } }'));
    assert.equal(config(yaml).listen.address, '127.0.0.1');
  });

  test('has paths that are relative to it', () => {
    const read = config(
      'store: { folder: data }\npolicies: ./policies\nseal: { kind: file, path: ../root.key }\n' +
        'tls: { certificate: tls/c.pem, key: /etc/k.pem }',
    );
    assert.equal(read.store.folder, join(folder, 'data'));
    assert.equal(read.policies, join(folder, 'policies'));
    assert.equal(read.seal!.path, join(folder, '../root.key'));
    assert.deepEqual([read.tls!.certificate, read.tls!.key], [join(folder, 'tls/c.pem'), '/etc/k.pem']);
  });

  test('that is not there is named, with the reason', () => {
    assert.throws(() => loadConfig(join(folder, 'none.yaml')), {
      code: 'INVALID_ARGUMENT',
      message: /^cannot read the configuration `.*none\.yaml`: ENOENT/,
    });
  });

  test('that is no YAML is refused with the place', () => {
    refuses('listen: [', /is not YAML: .*line 1/s);
    refuses('a: b: c', /is not YAML/);
  });
});

describe('references', () => {
  test('of the environment and of files are put in, a trailing newline of a file is not', () => {
    assert.equal(config('region: "${REGION}"', { REGION: 'us-west-2' }).region, 'us-west-2');
    assert.equal(config('region: eu-${PART}-1', { PART: 'north' }).region, 'eu-north-1');
    assert.equal(config('region: file:region').region, 'eu-west-1');
    const { seal } = config('seal: { kind: passphrase, path: r, passphrase: file:passphrase }');
    assert.ok(seal?.kind === 'passphrase' && seal.passphrase === 'correct horse battery');
  });

  test('are not looked for again in what they stand for', () => {
    const { seal } = config('seal: { kind: passphrase, path: r, passphrase: "${P}" }', {
      P: '${HOME} file:passphrase',
    });
    assert.ok(seal?.kind === 'passphrase' && seal.passphrase === '${HOME} file:passphrase');
  });

  test('to nothing are named by their place', () => {
    refuses('listen: { address: "${NOWHERE}" }', /`listen.address`: the environment variable NOWHERE is not set/);
    refuses('tenants: [{ name: file:none }]', /`tenants.0.name`: cannot read `.*none`: ENOENT/);
  });

  test('are the only way to give a secret, and the refusal does not repeat it', () => {
    const error = refuses(
      'seal: { kind: passphrase, path: r, passphrase: hunter2hunter2 }',
      /`seal.passphrase`: a secret is given as/,
    );
    assert.ok(!error.message.includes('hunter2'));
  });

  test('to a short passphrase are refused', () => {
    const error = refuses('seal: { kind: passphrase, path: r, passphrase: "${P}" }', /at least 12/, {
      P: 'elevenchars',
    });
    assert.ok(!error.message.includes('elevenchars'));
    config('seal: { kind: passphrase, path: r, passphrase: "${P}" }', { P: 'twelve-chars' });
  });
});

describe('witnesses and copies', () => {
  const KEY = 'witness.example/w1+31f4584d+BPzm+TNxekwtQKgeeD+TkpDAFYGZMFfFm6uvgrzt02N3';
  const witness = (more = ''): string => `{ name: north, url: "https://w.example/", key: "${KEY}"${more} }`;

  test('have times of their own, and paths that are relative to the file', () => {
    const { audit } = config(
      `audit: { witnesses: [${witness()}], copies: [{ name: worm, kind: file, path: worm/checkpoints }] }`,
    );
    assert.deepEqual(audit.witnesses, [{ name: 'north', url: 'https://w.example/', key: KEY, everySeconds: 5 }]);
    assert.deepEqual(audit.copies, [
      { name: 'worm', kind: 'file', path: join(folder, 'worm/checkpoints'), everySeconds: 10 },
    ]);
  });

  for (const [claim, text, message] of [
    [
      'the key of a log in place of a witness’s',
      `witnesses: [{ name: a, url: "https://w.example/", key: "claviger/vectors+db4acc1d+AepKbGPinFIKvvVQexMuxfmVR3auvr57kkIe6mkURtIs" }]`,
      /`audit.witnesses.0.key`: no verifier key: its type is not one of an Ed25519 key of a witness/,
    ],
    [
      'a key that was cut',
      `witnesses: [{ name: a, url: "https://w.example/", key: "${KEY.slice(0, -8)}" }]`,
      /`audit.witnesses.0.key`: no verifier key: an Ed25519 key of a witness has 32 bytes/,
    ],
    [
      'an address that is none',
      `witnesses: [{ name: a, url: "w.example", key: "${KEY}" }]`,
      /`audit.witnesses.0.url`: must be an address that begins with https:\/\/ or http:/,
    ],
    [
      'an address that no path can be put behind',
      `witnesses: [{ name: a, url: "https://w.example/?log=1", key: "${KEY}" }]`,
      /`audit.witnesses.0.url`: must have no \? in it/,
    ],
    [
      'two sinks that write one file',
      'sinks: [{ name: a, kind: file, path: ./x.jsonl }, { name: b, kind: file, path: x.jsonl }]',
      /`audit.sinks`: must have a file each of its own/,
    ],
    [
      'a copy that writes the file of a sink',
      'sinks: [{ name: a, kind: file, path: x.jsonl }], copies: [{ name: b, kind: file, path: x.jsonl }]',
      /`audit.copies`: must have files of their own/,
    ],
    ['two of one name', `witnesses: [${witness()}, ${witness()}]`, /`audit.witnesses`: have names of their own/],
    [
      'a quorum of more than there are',
      `witnesses: [${witness()}], witnessQuorum: 2`,
      /`audit.witnessQuorum`: must not be more than there are `witnesses`/,
    ],
    [
      'a webhook in the clear',
      'copies: [{ name: a, kind: webhook, url: "http://hooks.example/", secret: "${S}" }]',
      /`audit.copies.0.url`: must begin with https:\/\/; plain HTTP is for loopback addresses only/,
    ],
    [
      'the metadata service of a cloud',
      'copies: [{ name: a, kind: webhook, url: "https://169.254.169.254/", secret: "${S}" }]',
      /`audit.copies.0.url`: 169.254.169.254 is no address of a receiver/,
    ],
    [
      'a secret as it is',
      'copies: [{ name: a, kind: webhook, url: "https://hooks.example/", secret: "a secret of 24 characters or more" }]',
      /`audit.copies.0.secret`: a secret is given as/,
    ],
    [
      'a secret that can be guessed',
      'copies: [{ name: a, kind: webhook, url: "https://hooks.example/", secret: "${SHORT}" }]',
      /`audit.copies.0.secret`: has 24 to 64 bytes/,
    ],
    ['a copy of another kind', 'copies: [{ name: a, kind: s3, path: x }]', /`audit.copies.0.kind`/],
  ] as const) {
    test(`are refused with ${claim}`, () => {
      refuses(`audit: { ${text} }`, message, { S: 'a secret of 24 characters or more', SHORT: 'short' });
    });
  }
});

describe('a mistake', () => {
  for (const [claim, text, message] of [
    [
      'an unknown field is told what there is',
      'lisen: {}',
      /the top: there is no `lisen`; there are region, listen, tls, store/,
    ],
    [
      'an unknown field within as well',
      'listen: { adress: x }',
      /`listen`: there is no `adress`; there are address, port/,
    ],
    [
      'in a list has its position',
      'tenants: [{ name: a }, { name: B }]',
      /`tenants.1.name`: must be 1 to 63 of a-z, 0-9 and -/,
    ],
    [
      'a number where a text belongs',
      'tenants: [{ name: a, accountId: 111122223333 }]',
      /`tenants.0.accountId`: .*string/,
    ],
    ['a port beyond the last', 'listen: { port: 65536 }', /`listen.port`: .*65535/],
    ['a port as a text', 'listen: { port: "8550" }', /`listen.port`: expected number/],
    ['a seal of an unknown kind', 'seal: { kind: shamir, path: x }', /`seal.kind`/],
    ['a seal without its file', 'seal: { kind: file }', /`seal.path`/],
    ['half a certificate', 'tls: { certificate: c.pem }', /`tls.key`/],
    ['an old TLS', 'tls: { certificate: c, key: k, minVersion: "1.1" }', /`tls.minVersion`/],
    ['another database', 'store: { kind: postgres }', /`store.kind`/],
    ['no tenant', 'tenants: []', /`tenants`/],
    ['a limit of nothing', 'limits: { cryptoPerSecond: 0 }', /`limits.cryptoPerSecond`/],
    ['a format of the log that there is not', 'log: { format: xml }', /`log.format`/],
    ['a level of the log that there is not', 'log: { level: debug }', /`log.level`/],
    [
      'traces to no URL',
      'telemetry: { traces: { endpoint: "collector:4318" } }',
      /`telemetry.traces.endpoint`: Invalid URL/,
    ],
    [
      'traces of more than all',
      'telemetry: { traces: { endpoint: "http://c/", ratio: 2 } }',
      /`telemetry.traces.ratio`: .*1/,
    ],
    [
      'a header for the collector that stands there as it is',
      'telemetry: { traces: { endpoint: "http://c/", headers: { x-key: hush } } }',
      /`telemetry.traces.headers.x-key`: a secret is given as/,
    ],
    ['a list at the top', '- a', /the top/],
    ['a text at the top', 'hello', /the top/],
    ['`__proto__`', '__proto__: { region: x }', /there is no `__proto__`/],
  ] as const) {
    test(claim, () => {
      refuses(text, message);
    });
  }

  test('does not hide another: all are told at once', () => {
    const error = refuses('region: "X Y"\nlisten: { port: -1 }\ntenants: []', /the configuration has mistakes:/);
    assert.equal(error.message.split('\n').length, 4);
  });
});

function config(text: string, environment: Record<string, string> = {}): Config {
  return parseConfig(text, folder, environment);
}

function refuses(text: string, message: RegExp, environment: Record<string, string> = {}): ClavigerError {
  try {
    parseConfig(text, folder, environment);
  } catch (error) {
    assert.ok(error instanceof ClavigerError);
    assert.equal(error.code, 'INVALID_ARGUMENT');
    assert.match(error.message, message);
    return error;
  }
  return assert.fail('taken');
}
