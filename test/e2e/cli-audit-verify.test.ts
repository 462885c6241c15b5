/** `claviger audit verify` on exports and receipts, without a server. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { runCli, type CliRun } from '../support/cli.ts';
import {
  cosigned,
  entriesOf,
  fixtureFiles,
  fixtureKey,
  fixtureReceipt,
  fixtureRecords,
  putEntries,
  writeFiles,
} from '../support/log-fixture.ts';
import { removeFolder, testFolder } from '../support/server.ts';

const key = fixtureKey();
const records = fixtureRecords({ records: 300, redaction: { at: 280, from: 0, to: 100 } });

let folder: string;
before(() => {
  folder = testFolder();
  writeFiles(join(folder, 'then'), fixtureFiles(records.slice(0, 290), key));
  writeFiles(join(folder, 'now'), fixtureFiles(records, key, [290, 300]));
  writeFileSync(join(folder, 'log.key'), `${key.vkey}\n`);
  writeFileSync(join(folder, 'receipt.json'), JSON.stringify(fixtureReceipt(records, key, 150)));
});
after(() => removeFolder(folder));

let homes = 0;
/** A home that has verified nothing yet. */
function freshHome(): string {
  const home = join(folder, `home-${homes++}`);
  mkdirSync(home);
  return home;
}

function verify(args: readonly string[], home = freshHome()): Promise<CliRun> {
  return runCli(['audit', 'verify', ...args], { cwd: folder, env: { HOME: home } });
}

describe('an export', () => {
  test('that is whole is verified, with the key in a file or on the command line, and no server', async () => {
    for (const given of ['log.key', key.vkey]) {
      const { code, stdout, stderr } = await verify(['now', '--key', given]);
      assert.equal(code, 0, stderr + stdout);
      assert.match(stdout, /newest checkpoint {2}size 300, root /);
      assert.match(stdout, /openings {11}202 opened, 98 redacted/);
      assert.match(stdout, /verified: every record of now is what was signed\n$/);
      assert.equal(stderr, '');
    }
  });

  test('is told about in JSON where that is asked for', async () => {
    const { code, stdout } = await verify(['now', '--key', 'log.key', '--json']);
    const { verified, log, findings, warnings } = JSON.parse(stdout);
    assert.deepEqual([code, verified, findings, warnings], [0, true, [], []]);
    assert.deepEqual([log.size, log.records, log.redacted, log.checkpoints], [300, 300, 98, 2]);
    assert.equal(log.checkpoint, readFileSync(join(folder, 'now', 'checkpoint'), 'utf8'));
  });

  test('that was changed gives exit code 1, the first finding, and what to do', async () => {
    const changed = structuredClone(records);
    changed[120]!.fields['outcome'] = 'INTERNAL';
    changed[130]!.fields['outcome'] = 'INTERNAL';
    const files = fixtureFiles(records, key);
    putEntries(files, entriesOf(changed));
    writeFiles(join(folder, 'changed'), files);
    const { code, stdout } = await verify(['changed', '--key', 'log.key']);
    assert.equal(code, 1);
    assert.match(stdout, /^record-changed: record 120 is not the one that was signed\n {2}the records were edited/m);
    assert.doesNotMatch(stdout, /record 130|verified/);
    const all = await verify(['changed', '--key', 'log.key', '--all', '--json']);
    assert.equal(all.code, 1);
    const { verified, findings } = JSON.parse(all.stdout);
    assert.equal(verified, false);
    assert.deepEqual(
      findings.map(({ kind, index }: { kind: string; index: number }) => [kind, index]),
      [
        ['record-changed', 120],
        ['record-changed', 130],
      ],
    );
  });

  test('tells where the key that lies in it is another one than the key that it is verified by', async () => {
    const files = fixtureFiles(records, key);
    files.set('key', Buffer.from(`${fixtureKey().vkey}\n`));
    writeFiles(join(folder, 'other-key'), files);
    const { code, stdout } = await verify(['other-key', '--key', 'log.key']);
    assert.equal(code, 0, stdout);
    assert.match(
      stdout,
      /^warning: the `key` that lies in other-key is not the key that it is verified by, which has the id [0-9a-f]{8}$/m,
    );
    const wrong = await verify(['now', '--key', fixtureKey().vkey, '--json']);
    assert.equal(JSON.parse(wrong.stdout).warnings.length, 1);
  });

  test('verified with the key of another log is refused', async () => {
    const { code, stdout } = await verify(['now', '--key', fixtureKey().vkey]);
    assert.equal(code, 1);
    assert.match(stdout, /^other-key: the checkpoint is not signed by the key [0-9a-f]{8}, but by another/m);
  });
});

describe('what was verified before', () => {
  test('is remembered, and an old checkpoint is seen the next time', async () => {
    const home = freshHome();
    assert.equal((await verify(['then', '--key', 'log.key'], home)).code, 0);
    const later = await verify(['now', '--key', 'log.key'], home);
    assert.equal(later.code, 0, later.stdout);
    assert.match(later.stdout, /goes on from {7}size 290/);
    const old = await verify(['then', '--key', 'log.key'], home);
    assert.equal(old.code, 1);
    assert.match(
      old.stdout,
      /^old-checkpoint: this copy is older than what was verified here on 20\d\d-\S+Z: it has size 290, and that had size 300\n {2}`--no-remember` verifies it by itself/m,
    );
    assert.equal((await verify(['then', '--key', 'log.key', '--no-remember'], home)).code, 0);
    assert.equal((await verify(['then', '--key', 'log.key'], home)).code, 1, 'not to remember is not to forget');
    assert.equal((await verify(['then', '--key', 'log.key', '--forget'], home)).code, 0);
    assert.equal((await verify(['then', '--key', 'log.key'], home)).code, 0);
  });

  test('is kept under the state folder, and nothing is kept where nothing was verified or nothing is to be kept', async () => {
    const kept = (home: string): readonly string[] => readdirSync(home, { recursive: true }).map(String);
    const [home, none, failed] = [freshHome(), freshHome(), freshHome()];
    await verify(['now', '--key', 'log.key'], home);
    assert.ok(kept(home).some((name) => name.startsWith('.local/state/claviger/checkpoints/')));
    await verify(['now', '--key', 'log.key', '--no-remember'], none);
    assert.deepEqual(
      kept(none).filter((name) => name.includes('claviger')),
      [],
    );
    await verify(['now', '--key', fixtureKey().vkey], failed);
    assert.deepEqual(
      kept(failed).filter((name) => name.includes('claviger')),
      [],
    );
  });

  test('is given as a file, which --save wrote', async () => {
    const saved = await verify(['then', '--key', 'log.key', '--save', 'saved.checkpoint']);
    assert.equal(saved.code, 0);
    assert.equal(
      readFileSync(join(folder, 'saved.checkpoint'), 'utf8'),
      readFileSync(join(folder, 'then', 'checkpoint'), 'utf8'),
    );
    assert.equal((await verify(['now', '--key', 'log.key', '--since', 'saved.checkpoint'])).code, 0);
    const other = structuredClone(records);
    other[3]!.fields['outcome'] = 'INTERNAL';
    writeFiles(join(folder, 'rewritten'), fixtureFiles(other, key));
    const { code, stdout } = await verify(['rewritten', '--key', 'log.key', '--since', 'saved.checkpoint']);
    assert.equal(code, 1);
    assert.match(
      stdout,
      /^rewritten: the log was rewritten: its first 290 records are not those of the checkpoint in `saved/m,
    );
  });
});

describe('a checkpoint that cannot be kept', () => {
  /** A state folder in which there is nothing, and nothing can be made. */
  function sealedHome(): string {
    const home = freshHome();
    mkdirSync(join(home, '.local', 'state'), { recursive: true });
    symlinkSync('/nonexistent/claviger', join(home, '.local', 'state', 'claviger'));
    return home;
  }

  test('does not take the answer away: it is told first, and then what could not be written', async () => {
    for (const [args, home, message] of [
      [
        ['now', '--save', '/dev/full'],
        freshHome(),
        /cannot write `\/dev\/full`: the disk is full; what was answered holds/,
      ],
      [['receipt.json', '--save', '/dev/full'], freshHome(), /cannot write `\/dev\/full`: the disk is full/],
      [['now'], sealedHome(), /cannot write `.*`: .*; what was answered holds; with --no-remember nothing is kept/],
    ] as const) {
      const { code, stdout, stderr } = await verify([...args, '--key', 'log.key'], home);
      assert.equal(code, 2, stderr);
      assert.match(stdout, /verified: /);
      assert.match(stderr, message);
    }
    const answered = await verify(['now', '--key', 'log.key', '--json'], sealedHome());
    assert.equal((JSON.parse(answered.stdout) as { verified: boolean }).verified, true);
    assert.equal((await verify(['now', '--key', 'log.key', '--no-remember'], sealedHome())).code, 0);
  });

  test('is kept as a file all the same, and what cannot be read of it is told before anything is read', async () => {
    const saved = await verify(['now', '--key', 'log.key', '--save', 'sealed.checkpoint'], sealedHome());
    assert.equal(saved.code, 2);
    assert.ok(existsSync(join(folder, 'sealed.checkpoint')));
    const home = freshHome();
    writeFileSync(join(home, '.local'), 'no folder');
    for (const target of ['now', 'receipt.json']) {
      const { code, stdout, stderr } = await verify([target, '--key', 'log.key'], home);
      assert.deepEqual([code, stdout], [2, '']);
      assert.match(stderr, /cannot read `.*`: a part of its path is not a folder; with --no-remember/);
    }
  });
});

describe('a witness', () => {
  for (const [kind, type] of [
    ['Ed25519', 4],
    ['ML-DSA-44', 6],
  ] as const) {
    test(`with an ${kind} key that cosigned is told, with its time; one that did not is a finding`, async () => {
      const witness = fixtureKey('witness.example.com', type);
      const files = fixtureFiles(records, key);
      const note = cosigned(files.get('checkpoint')!.toString(), witness, 1769860800);
      files.set('checkpoint', Buffer.from(note));
      const witnessed = `witnessed-${kind}`;
      writeFiles(join(folder, witnessed), files);
      const good = await verify([witnessed, '--key', 'log.key', '--witness', witness.vkey]);
      assert.equal(good.code, 0, good.stdout);
      assert.match(good.stdout, /witness {12}witness\.example\.com: size 300, at 2026-01-31T12:00:00\.000Z/);
      const { code, stdout } = await verify(['now', '--key', 'log.key', '--witness', witness.vkey]);
      assert.equal(code, 1);
      assert.match(stdout, /^unwitnessed: the witness `witness\.example\.com` \([0-9a-f]{8}\) cosigned no checkpoint/m);
    });
  }
});

describe('a receipt', () => {
  test('is verified offline, and tells what happened', async () => {
    const { code, stdout } = await verify(['receipt.json', '--key', 'log.key']);
    assert.equal(code, 0, stdout);
    assert.match(stdout, /record {5}150 of 300\n/);
    assert.match(stdout, /source {5}127\.0\.0\.1\n/);
    assert.match(stdout, /verified: the record is in the log\n$/);
  });

  test('that was changed gives exit code 1', async () => {
    const receipt = fixtureReceipt(records, key, 150);
    writeFileSync(
      join(folder, 'forged.json'),
      JSON.stringify({ ...receipt, entry: receipt.entry.replace('"OK"', '"INTERNAL"') }),
    );
    const { code, stdout } = await verify(['forged.json', '--key', 'log.key']);
    assert.equal(code, 1);
    assert.match(stdout, /^record-changed: record 150 has another leaf hash/m);
  });
});

describe('a receipt and what was verified before', () => {
  const fork = structuredClone(records);
  fork[3]!.fields['outcome'] = 'INTERNAL';
  before(() => {
    writeFiles(join(folder, 'fork'), fixtureFiles(fork, key));
    writeFileSync(join(folder, 'fork.json'), JSON.stringify(fixtureReceipt(fork, key, 150)));
  });

  test('are held against each other where the sizes are the same: another root is a fork', async () => {
    const same = await verify(['receipt.json', '--key', 'log.key', '--since', 'now/checkpoint']);
    assert.equal(same.code, 0, same.stdout);
    assert.match(same.stdout, /compared with +the checkpoint of the same size/);
    const { code, stdout } = await verify(['fork.json', '--key', 'log.key', '--since', 'now/checkpoint']);
    assert.equal(code, 1);
    assert.match(
      stdout,
      /^fork: two checkpoints of size 300 have different roots: the one in the receipt, and the checkpoint in `now\/checkpoint`\n {2}the log has told two/,
    );
    assert.doesNotMatch(stdout, /verified:/);
  });

  test('that is remembered is looked at likewise, unless --no-remember says so, and a receipt is not remembered', async () => {
    const home = freshHome();
    assert.equal((await verify(['fork.json', '--key', 'log.key'], home)).code, 0);
    assert.equal(existsSync(join(home, '.local', 'state', 'claviger')), false);
    assert.equal((await verify(['now', '--key', 'log.key'], home)).code, 0);
    const { code, stdout } = await verify(['fork.json', '--key', 'log.key'], home);
    assert.equal(code, 1);
    assert.match(stdout, /^fork: .*, and the checkpoint that was verified here before$/m);
    assert.equal((await verify(['fork.json', '--key', 'log.key', '--no-remember'], home)).code, 0);
  });

  test('are told to be not compared where the sizes differ', async () => {
    const args = ['receipt.json', '--key', 'log.key', '--since', 'then/checkpoint'];
    const { code, stdout } = await verify(args);
    assert.equal(code, 0, stdout);
    assert.match(
      stdout,
      /^not compared: the checkpoint in `then\/checkpoint` has size 290; a receipt alone cannot show that it is consistent/m,
    );
    const { receipt } = JSON.parse((await verify([...args, '--json'])).stdout);
    assert.deepEqual(
      [receipt.since, receipt.uncompared],
      [[], [{ name: 'the checkpoint in `then/checkpoint`', size: 290 }]],
    );
  });

  test('has a checkpoint that --save writes, where it is verified', async () => {
    await verify(['receipt.json', '--key', 'log.key', '--save', 'of-receipt.checkpoint']);
    const saved = readFileSync(join(folder, 'of-receipt.checkpoint'), 'utf8');
    assert.equal(saved, fixtureReceipt(records, key, 150).checkpoint);
    await verify(['fork.json', '--key', 'log.key', '--since', 'now/checkpoint', '--save', 'of-fork.checkpoint']);
    assert.equal(existsSync(join(folder, 'of-fork.checkpoint')), false);
  });

  test('that is signed by another key, or is none, is a finding', async () => {
    writeFiles(join(folder, 'foreign'), fixtureFiles(records, fixtureKey()));
    for (const [file, kind] of [
      ['foreign/checkpoint', /^other-key: the checkpoint in `foreign/],
      ['log.key', /^bad-note: the checkpoint in `log\.key`/],
    ] as const) {
      const { code, stdout } = await verify(['receipt.json', '--key', 'log.key', '--since', file]);
      assert.equal(code, 1);
      assert.match(stdout, kind);
    }
  });

  test('has no use for --all and --forget, which are refused', async () => {
    for (const option of ['--all', '--forget']) {
      const { code, stdout, stderr } = await verify(['receipt.json', '--key', 'log.key', option]);
      assert.deepEqual([code, stdout], [2, '']);
      assert.match(stderr, new RegExp(`${option} is for a folder or a server; for a receipt it means nothing`));
    }
  });
});

describe('a command line that cannot be meant', () => {
  test('gives exit code 2, and says why', async () => {
    for (const [args, message] of [
      [['now'], /required option '--key <key>'/],
      [['nowhere', '--key', 'log.key'], /`nowhere` is no folder, no URL of a server and no file/],
      [['now', '--key', 'receipt.json'], /what `receipt\.json` gives is not a verifier key/],
      [
        ['now', '--key', key.vkey.replace(/\+[0-9a-f]{8}\+/, '+00000000+')],
        /has the key id [0-9a-f]{8}, but its name and key make/,
      ],
      [
        ['now', '--key', 'log.key', '--witness', key.vkey],
        /--witness gives is not the Ed25519 or ML-DSA-44 verifier key of a witness/,
      ],
      [['-', '--key', '-'], /only one input can come from standard input/],
      [['now', '--key', '-', '--since', '-'], /only one input can come from standard input/],
      [['http://127.0.0.1:1', '--key', 'log.key'], /no token is known for http:\/\/127\.0\.0\.1:1/],
    ] as const) {
      const { code, stderr, stdout } = await verify(args);
      assert.match(stderr, message);
      assert.deepEqual([code, stdout], [2, '']);
    }
  });

  test('names a file that cannot be read or written: exit code 2, for 1 says that there is a finding', async () => {
    mkdirSync(join(folder, 'unreadable', 'checkpoint'), { recursive: true });
    cpSync(join(folder, 'now'), join(folder, 'listless'), { recursive: true });
    rmSync(join(folder, 'listless', 'checkpoints'));
    mkdirSync(join(folder, 'listless', 'checkpoints'));
    for (const [args, message] of [
      [['now', '--key', 'no-such-file'], /cannot read `no-such-file`: there is no such file/],
      [['now', '--key', 'then'], /cannot read `then`: it is a folder/],
      [['now', '--key', 'log.key', '--since', 'no-such-file'], /cannot read `no-such-file`: there is no such file/],
      [['now', '--key', 'log.key', '--since', 'then'], /cannot read `then`: it is a folder/],
      [['receipt.json', '--key', 'log.key', '--since', 'then'], /cannot read `then`: it is a folder/],
      [['now', '--key', 'log.key', '--save', 'then'], /cannot write `then`: it is a folder; name a file for --save/],
      [
        ['receipt.json', '--key', 'log.key', '--save', 'nowhere/x'],
        /cannot write `nowhere\/x`: there is no folder `nowhere`; make it/,
      ],
      [['unreadable', '--key', 'log.key'], /cannot read `unreadable\/checkpoint`/],
      [['listless', '--key', 'log.key', '--no-remember'], /cannot read `listless\/checkpoints`/],
    ] as const) {
      const { code, stderr, stdout } = await verify(args);
      assert.match(stderr, message);
      assert.deepEqual([code, stdout], [2, ''], args.join(' '));
    }
  });

  test('a server that is not there or fails gives exit code 6, and one that has no log 4', async () => {
    let status = 404;
    const server = createServer((_, answer) => answer.writeHead(status).end('not here')).listen(0, '127.0.0.1');
    await once(server, 'listening');
    try {
      const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
      const args = ['audit', 'verify', url, '--key', key.vkey];
      const { code, stderr, stdout } = await runCli(args, { env: { HOME: freshHome(), CLAVIGER_TOKEN: 'clv_x' } });
      assert.deepEqual([code, stdout], [4, ''], stderr);
      assert.match(stderr, new RegExp(`there is no Claviger log at ${url}: .* is 404; give the address of the server`));
      status = 500;
      const failed = await runCli(args, { env: { HOME: freshHome(), CLAVIGER_TOKEN: 'clv_x' } });
      assert.deepEqual([failed.code, failed.stdout], [6, ''], failed.stderr);
      assert.match(failed.stderr, /cannot read `checkpoint`: the server answered 500/);
    } finally {
      server.close();
    }
    const env = { HOME: freshHome(), CLAVIGER_TOKEN: 'clv_x' };
    const gone = await runCli(['audit', 'verify', 'http://127.0.0.1:1', '--key', key.vkey], { cwd: folder, env });
    assert.equal(gone.code, 6);
    assert.match(gone.stderr, /cannot reach http:\/\/127\.0\.0\.1:1/);
  });
});
