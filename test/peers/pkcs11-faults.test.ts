/** The host processes of a PKCS#11 token, killed, stopped and robbed of their token under load. */
import assert from 'node:assert/strict';
import { createHash, createPublicKey, verify } from 'node:crypto';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, test, type TestContext } from 'node:test';
import type { ClavigerError } from '../../src/errors.ts';
import { systemRandom } from '../../src/crypto/random.ts';
import { systemClock } from '../../src/ports/clock.ts';
import { silentLog } from '../../src/ports/log.ts';
import { openPkcs11 } from '../../src/providers/pkcs11/open.ts';
import type { Profile } from '../../src/providers/pkcs11/profiles.ts';
import type { Pkcs11Provider } from '../../src/providers/pkcs11/provider.ts';
import type { BackingInfo } from '../../src/providers/provider.ts';
import type { SoftHsmPaths } from '../../tools/peers/softhsm.ts';
import { requirePeer } from '../../tools/peers/require.ts';
import { listener, newSoftHsm, openOn, spiedCalls, within, type SoftHsm, type Told } from '../support/softhsm.ts';
import { until } from '../support/until.ts';

const MESSAGE = Buffer.from('attack at dawn');
const soon = within(10_000);
const AWAY: readonly string[] = ['PROVIDER_UNAVAILABLE', 'PROVIDER_TIMEOUT'];
const PORTS = { clock: systemClock, random: systemRandom, log: silentLog };

interface Scene {
  readonly paths: SoftHsmPaths;
  readonly hsm: SoftHsm;
  readonly provider: Pkcs11Provider;
  readonly told: Told;
  readonly info: BackingInfo;
}

/** A token, a provider on it and a P-256 key; null where there is no SoftHSM. */
async function scene(t: TestContext, config: object = {}, profile: Partial<Profile> = {}): Promise<Scene | null> {
  const paths = await requirePeer(t, 'softhsm');
  if (paths === null) return null;
  const hsm = await newSoftHsm(paths);
  t.after(() => hsm.remove());
  const told = listener();
  const provider = await openOn(hsm.config({ deadlineMs: 500, ...config }), told, profile);
  t.after(() => provider.close());
  const wanted = { spec: 'P-256', usage: 'sign-verify', name: 'key', tags: {} } as const;
  const info = await provider.lifecycle.create(wanted, soon);
  return { paths, hsm, provider, told, info };
}

interface Load {
  readonly signed: () => number;
  /** Ends the load; gives the failures. */
  stop(): Promise<readonly ClavigerError[]>;
}

/** So many callers, each of which signs again and again, and checks what it gets. */
function load({ provider, info }: Scene, callers: number): Load {
  const key = provider.key(info.ref, 'P-256');
  const spki = createPublicKey({ key: info.publicKey!, format: 'der', type: 'spki' });
  const failures: ClavigerError[] = [];
  let signed = 0;
  const over = new AbortController();
  const call = async (): Promise<void> => {
    while (!over.signal.aborted) {
      try {
        const { value } = await key.sign!('ECDSA_SHA_256', { message: MESSAGE }, soon);
        signed += 1;
        if (signed % 50 === 0) assert.ok(verify('sha256', MESSAGE, spki, value));
      } catch (error) {
        failures.push(error as ClavigerError);
        await sleep(10);
      }
    }
  };
  const running = Array.from({ length: callers }, call);
  return {
    signed: () => signed,
    stop: async () => {
      over.abort();
      await Promise.all(running);
      return failures;
    },
  };
}

function sign({ provider, info }: Scene, timeoutMs = 5000): Promise<unknown> {
  return provider.key(info.ref, 'P-256').sign!('ECDSA_SHA_256', { message: MESSAGE }, within(timeoutMs));
}

describe('hosts that end or hang', () => {
  test('kill -9 of a host under load: no signature fails, and another host comes', async (t) => {
    const at = await scene(t);
    if (at === null) return;
    const { provider } = at;
    const running = load(at, 50);
    const seen = new Set<number>();
    for (let round = 0; round < 5; round += 1) {
      const before = running.signed();
      // One that was killed is counted until its end is known.
      const fresh = (): number | undefined => provider.status().pids.find((pid) => !seen.has(pid));
      await until(
        'a host is up that was not killed, and another',
        () => provider.status().ready === 2 && fresh() !== undefined,
      );
      const pid = fresh();
      seen.add(pid!);
      process.kill(pid!, 'SIGKILL');
      await until('signatures go on', () => running.signed() > before + 100);
    }
    assert.deepEqual(await running.stop(), []);
    assert.equal(seen.size, 5);
    await until('both hosts are up again', () => provider.status().ready === 2);
  });

  test('with one host, calls wait for the next one', async (t) => {
    const at = await scene(t, { hosts: 1 });
    if (at === null) return;
    const running = load(at, 20);
    for (let round = 0; round < 3; round += 1) {
      const before = running.signed();
      process.kill(at.provider.status().pids[0]!, 'SIGKILL');
      await until('signatures go on', () => running.signed() > before + 100);
      // A host that lives shorter than a second is replaced later and later.
      await sleep(1100);
    }
    assert.deepEqual(await running.stop(), []);
  });

  test('a host that hangs is killed at its deadline, and its calls go on elsewhere', async (t) => {
    const at = await scene(t);
    if (at === null) return;
    const { provider } = at;
    await until('both hosts are up', () => provider.status().ready === 2);
    const running = load(at, 50);
    const [pid] = provider.status().pids;
    process.kill(pid!, 'SIGSTOP');
    await until('the host that hung is gone', () => !provider.status().pids.includes(pid!));
    await until('both hosts are up again', () => provider.status().ready === 2);
    assert.deepEqual(await running.stop(), []);
    assert.equal(isRunning(pid!), false);
  });

  test('a call whose time is over ends with PROVIDER_TIMEOUT although its host hangs', async (t) => {
    const at = await scene(t, { hosts: 1, deadlineMs: 3000 });
    if (at === null) return;
    process.kill(at.provider.status().pids[0]!, 'SIGSTOP');
    const startedAt = performance.now();
    await assert.rejects(sign(at, 200), { code: 'PROVIDER_TIMEOUT' });
    assert.ok(performance.now() - startedAt < 1500);
    const caller = new AbortController();
    const given = { signal: caller.signal, timeoutMs: 5000 };
    const call = at.provider.key(at.info.ref, 'P-256').sign!('ECDSA_SHA_256', { message: MESSAGE }, given);
    caller.abort();
    await assert.rejects(call, { code: 'CANCELED' });
  });

  test('a key whose making was cut off is not made again', async (t) => {
    const at = await scene(t);
    if (at === null) return;
    const { provider, hsm } = at;
    const before = childrenOf(process.pid);
    const wanted = { spec: 'RSA-4096', usage: 'sign-verify', name: 'cut', tags: {} } as const;
    // The host for changes is up since the first key; it is the one that does not sign.
    const changer = before.find((pid) => !provider.status().pids.includes(pid));
    process.kill(changer!, 'SIGSTOP');
    const making = provider.lifecycle.create(wanted, soon);
    const refused = assert.rejects(making, { code: 'PROVIDER_UNAVAILABLE' });
    await sleep(50);
    process.kill(changer!, 'SIGKILL');
    await refused;
    assert.doesNotMatch(await hsm.tool('--list-objects'), /cut/);
    // The next change has a new host.
    assert.equal((await provider.lifecycle.create({ ...wanted, spec: 'P-256' }, soon)).spec, 'P-256');
  });

  test('asynchronous lanes do the same', async (t) => {
    const at = await scene(t, { lanes: 4 }, { asynchronous: true });
    if (at === null) return;
    const { provider } = at;
    await until('both hosts are up', () => provider.status().ready === 2);
    const running = load(at, 50);
    const [killed, stopped] = provider.status().pids;
    process.kill(killed!, 'SIGKILL');
    await until('a new host is up', () => provider.status().ready === 2);
    process.kill(stopped!, 'SIGSTOP');
    await until('the host that hung is gone', () => !provider.status().pids.includes(stopped!));
    const before = running.signed();
    await until('signatures go on', () => running.signed() > before + 100);
    assert.deepEqual(await running.stop(), []);
  });

  test('where processes see new keys only from their start, hosts start anew after each', async (t) => {
    const at = await scene(t, {}, { newKeysVisible: 'restart' });
    if (at === null) return;
    await until('both hosts are up', () => at.provider.status().ready === 2);
    const before = new Set(at.provider.status().pids);
    const running = load(at, 10);
    const wanted = { spec: 'AES-256-GCM', usage: 'encrypt-decrypt', name: 'new', tags: {} } as const;
    await at.provider.lifecycle.create(wanted, soon);
    await until('both hosts are new', () => {
      const { pids } = at.provider.status();
      return pids.length === 2 && pids.every((pid) => !before.has(pid));
    });
    assert.deepEqual(await running.stop(), []);
  });

  test('hosts see nothing of the server, and end with their provider', async (t) => {
    const at = await scene(t);
    if (at === null) return;
    const { provider, hsm, told } = at;
    const { pids } = provider.status();
    for (const pid of pids) {
      const environment = readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0');
      const names = environment.filter((pair) => pair !== '').map((pair) => pair.split('=')[0]);
      const known = ['HOME', 'LANG', 'PATH', 'SOFTHSM2_CONF', 'TZ', 'UV_THREADPOOL_SIZE'];
      assert.deepEqual(
        names.filter((name) => !known.includes(name!)),
        [],
      );
      const shown = [...environment, readFileSync(`/proc/${pid}/cmdline`, 'utf8')].join();
      assert.ok(!shown.includes(hsm.pin));
    }
    process.kill(pids[0]!, 'SIGTERM');
    process.kill(pids[0]!, 'SIGINT');
    await sign(at);
    assert.deepEqual(provider.status().pids, pids);
    await provider.close();
    assert.ok(pids.every((pid) => !isRunning(pid)));
    assert.ok(!told.lines.join().includes(hsm.pin));
  });
});

describe('the end of the server', () => {
  test('by kill -9 is the end of its hosts', async (t) => {
    const at = await scene(t);
    if (at === null) return;
    const source = join(import.meta.dirname, '..', 'support', 'softhsm.ts');
    const code = `
      const { openOn } = await import(${JSON.stringify(source)});
      const provider = await openOn(${JSON.stringify(at.hsm.config({ name: 'child' }))});
      while (provider.status().ready < 2) await new Promise((resolve) => setTimeout(resolve, 10));
      console.log(JSON.stringify(provider.status().pids));
      setInterval(() => undefined, 1000);`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', code], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [line] = (await once(child.stdout, 'data')) as [Buffer];
    const pids = JSON.parse(line.toString()) as number[];
    assert.equal(pids.length, 2);
    assert.ok(pids.every(isRunning));
    child.kill('SIGKILL');
    await until('its hosts are gone', () => !pids.some(isRunning));
  });

  test('while a host logs in leaves no doubt about the PIN', async (t) => {
    const at = await scene(t);
    if (at === null) return;
    for (const waitMs of [0, 50, 100, 150, 200, 300]) {
      const early = openPkcs11(at.hsm.config({ name: 'early' }), PORTS, { readyWaitMs: waitMs });
      await (await early).close();
    }
    const late = await openOn(at.hsm.config({ name: 'late' }));
    t.after(() => late.close());
    assert.equal(late.status().state, 'ready');
  });
});

describe('tokens that are gone', () => {
  test('a token that was pulled out is unavailable, and back when it is put in again', async (t) => {
    const at = await scene(t, { canary: { everySeconds: 1 } });
    if (at === null) return;
    const { provider, hsm } = at;
    await sign(at);
    renameSync(hsm.tokens, `${hsm.tokens}-out`);
    await until('it is missed', async () => {
      const code = await sign(at).then(
        () => null,
        (error: ClavigerError) => error.code,
      );
      // Never that the key is not there.
      assert.ok(code === null || AWAY.includes(code), `answers with ${code}`);
      return code !== null;
    });
    assert.notEqual(provider.status().state, 'quarantined');
    renameSync(`${hsm.tokens}-out`, hsm.tokens);
    await until('it is back', () =>
      sign(at, 1000).then(
        () => true,
        () => false,
      ),
    );
  });

  test('a token whose keys were destroyed is quarantined by its canary, for good', async (t) => {
    const at = await scene(t, { canary: { everySeconds: 1 } });
    if (at === null) return;
    const { provider, hsm, told } = at;
    await hsm.tool('--delete-object', '--type', 'privkey', '--label', 'claviger-canary');
    await until('it is in quarantine', () => provider.status().state === 'quarantined');
    await assert.rejects(sign(at), { code: 'PROVIDER_UNAVAILABLE', message: /quarantine/ });
    assert.equal((await provider.probe(soon)).ok, false);
    assert.ok(told.lines.some((line) => line.startsWith('error') && line.includes('quarantine')));
    await hsm.tool('--keypairgen', '--key-type', 'EC:prime256v1', '--label', 'claviger-canary', '--usage-sign');
    await sleep(1500);
    assert.equal(provider.status().state, 'quarantined');
    assert.deepEqual(provider.status().pids, []);
  });

  test('a token that was initialised anew is not taken for the old one', async (t) => {
    const at = await scene(t, { canary: { everySeconds: 1 } });
    if (at === null) return;
    const { provider, hsm } = at;
    renameSync(hsm.tokens, `${hsm.tokens}-old`);
    execFileSync('mkdir', [hsm.tokens]);
    await hsm.init();
    await until('it is in quarantine', () => provider.status().state === 'quarantined');
    assert.match(provider.status().detail!, /serial number/);
  });

  test('another canary than the configuration names is none, and none is made', async (t) => {
    const at = await scene(t);
    if (at === null) return;
    const { hsm } = at;
    const canary = await at.provider.resolve('claviger-canary', soon);
    const { publicKey } = await at.provider.describe(canary, soon);
    const fingerprint = createHash('sha256').update(publicKey!).digest('hex');
    const right = await openOn(hsm.config({ name: 'right', canary: { fingerprint } }));
    t.after(() => right.close());
    assert.equal(right.status().state, 'ready');
    const wrong = await openOn(hsm.config({ name: 'wrong', canary: { fingerprint: '00'.repeat(32) } }));
    t.after(() => wrong.close());
    assert.equal(wrong.status().state, 'quarantined');
    await assert.rejects(wrong.describe(canary, soon), { code: 'PROVIDER_UNAVAILABLE' });
  });

  test('a token that does not exist is no reason not to start', async (t) => {
    const paths = await requirePeer(t, 'softhsm');
    if (paths === null) return;
    const hsm = await newSoftHsm(paths);
    t.after(() => hsm.remove());
    const provider = await openOn(hsm.config({ tokenLabel: 'later' }));
    t.after(() => provider.close());
    await assert.rejects(provider.describe('id=01', soon), {
      code: 'PROVIDER_UNAVAILABLE',
      message: /no token `later`/,
    });
    await hsm.init('later');
    await until('it is there', async () => (await provider.probe(within(500))).ok);
  });

  test('two tokens with one label are told apart by their serial numbers', async (t) => {
    const at = await scene(t);
    if (at === null) return;
    const { serial } = at.provider.facts!;
    await at.hsm.init();
    const unclear = await openOn(at.hsm.config({ name: 'unclear' }));
    t.after(() => unclear.close());
    await assert.rejects(unclear.describe('id=01', soon), { code: 'PROVIDER_MISCONFIGURED', message: /tokenSerial/ });
    const clear = await openOn(at.hsm.config({ name: 'clear', tokenSerial: serial }));
    t.after(() => clear.close());
    assert.equal((await clear.describe(at.info.ref, soon)).ref, at.info.ref);
  });
});

describe('PINs', () => {
  test('a wrong PIN is shown to the token exactly once, whoever asks', async (t) => {
    const paths = await requirePeer(t, 'softhsm');
    if (paths === null) return;
    const hsm = await newSoftHsm(paths);
    t.after(() => hsm.remove());
    const output = join(hsm.folder, 'spy.log');
    const env = { ...hsm.env, PKCS11SPY: paths.library, PKCS11SPY_OUTPUT: output };
    const told = listener();
    const config = hsm.config({ library: paths.spy, env, pin: 'wrong-pin', hosts: 4, canary: { everySeconds: 1 } });
    const provider = await openOn(config, told);
    t.after(() => provider.close());
    assert.equal(provider.status().state, 'quarantined');
    for (let round = 0; round < 3; round += 1) {
      await assert.rejects(provider.describe('id=01', soon), { code: 'PROVIDER_DENIED' });
      const wanted = { spec: 'P-256', usage: 'sign-verify', name: 'key', tags: {} } as const;
      await assert.rejects(provider.lifecycle.create(wanted, soon), { code: 'PROVIDER_DENIED' });
    }
    // Nor by another provider on the same token, nor by one that is opened again.
    const again = await openOn({ ...config, name: 'again' });
    t.after(() => again.close());
    await assert.rejects(again.describe('id=01', soon), { code: 'PROVIDER_DENIED' });
    await sleep(1500);
    assert.equal(spiedCalls(output, 'C_Login'), 1);
    assert.match(await flagsOf(paths, hsm), /user PIN count low/);
    assert.ok(!told.lines.join().includes('wrong-pin'));
    // Another PIN is another attempt.
    const right = await openOn({ ...config, name: 'right', pin: hsm.pin });
    t.after(() => right.close());
    await until('it is up', async () => (await right.probe(soon)).ok);
    assert.doesNotMatch(await flagsOf(paths, hsm), /user PIN count low/);
  });

  test('a PIN that was changed under a running provider is shown once more, not again', async (t) => {
    const paths = await requirePeer(t, 'softhsm');
    if (paths === null) return;
    const hsm = await newSoftHsm(paths);
    t.after(() => hsm.remove());
    const output = join(hsm.folder, 'spy.log');
    const env = { ...hsm.env, PKCS11SPY: paths.library, PKCS11SPY_OUTPUT: output };
    const provider = await openOn(hsm.config({ library: paths.spy, env }));
    t.after(() => provider.close());
    await until('both hosts are up', () => provider.status().ready === 2);
    await hsm.tool('--change-pin', '--new-pin', 'another-pin');
    const before = spiedCalls(output, 'C_Login');
    for (const pid of provider.status().pids) process.kill(pid, 'SIGKILL');
    await until('it is in quarantine', () => provider.status().state === 'quarantined');
    await assert.rejects(provider.describe('id=01', soon), { code: 'PROVIDER_DENIED' });
    await sleep(500);
    assert.equal(spiedCalls(output, 'C_Login'), before + 1);
  });

  test('a host that dies while it logs in counts as a refusal', async (t) => {
    const paths = await requirePeer(t, 'softhsm');
    if (paths === null) return;
    const { LoginGate } = await import('../../src/providers/pkcs11/login-gate.ts');
    const gate = LoginGate.of('library', 'label', null, 1);
    const turn = await gate.turn('pin');
    assert.match(turn!.end('unclear', 'it died')!, /it died/);
    assert.equal(await gate.turn('pin'), null);
  });
});

async function flagsOf({ library, tool }: SoftHsmPaths, { env }: SoftHsm): Promise<string> {
  const { mustRun } = await import('../../tools/run.ts');
  return (await mustRun(tool, ['--module', library, '--list-token-slots'], { env })).stdout;
}

function isRunning(pid: number): boolean {
  return existsSync(`/proc/${pid}`);
}

function childrenOf(pid: number): readonly number[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').map(Number);
}
