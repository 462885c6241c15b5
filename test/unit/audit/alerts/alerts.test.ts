/** Alerts over a real log and store: from what somebody does to what a channel is told, over restarts and failures. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, suite, test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import type { Worker } from 'node:worker_threads';
import { Alerts, ruleBook, type AlertsOptions } from '../../../../src/audit/alerts/index.ts';
import type { Log } from '../../../../src/ports/log.ts';
import { DAY_MS } from '../../../support/clock.ts';
import { importInto } from '../../../support/import.ts';
import { removeFolder, testFolder } from '../../../support/server.ts';
import { openTestService, principalOf, type TestService } from '../../../support/service.ts';
import { tamper } from '../../../support/store-files.ts';
import { lineOf, memoryChannel, type MemoryChannel } from './memory-channel.ts';

const HOUR_MS = 3_600_000;
const WAIT_MS_MAX = 10_000;

let open: (() => Promise<void>)[] = [];

/** Long enough for what happened to have been looked at. */
const looked = (): Promise<void> => setTimeout(60);

suite('alerts', () => {
  afterEach(async () => {
    for (const close of open.toReversed()) await close();
    open = [];
  });

  suite('what happens in a service', () => {
    test('a deletion is told, with who and which key, and its end when it is cancelled', async () => {
      const it = await service();
      const { api, tenantId } = it;
      const channel = memoryChannel();
      await watch(it, channel);
      const { id } = await api.createKey({ spec: 'AES-256-GCM' });
      await api.scheduleKeyDeletion({ key: id });
      await told(channel, `firing key-deletion ${id}`);
      const [{ notice }] = channel.envelopes as [MemoryChannel['envelopes'][number]];
      assert.deepEqual(
        [notice.alert.facts.keyId, notice.alert.facts.operation, notice.alert.facts.outcome, notice.alert.tenantId],
        [id, 'ScheduleKeyDeletion', 'OK', tenantId],
      );
      await api.cancelKeyDeletion({ key: id });
      assert.deepEqual(await told(channel, `resolved key-deletion ${id}`), [
        `firing key-deletion ${id}`,
        `resolved key-deletion ${id}`,
      ]);
    });

    test('an attempt at a deletion that nobody permits is told', async () => {
      const it = await service();
      const channel = memoryChannel();
      await watch(it, channel);
      const { id } = await it.api.createKey({ spec: 'AES-256-GCM' });
      await assert.rejects(it.as('crypto-user').scheduleKeyDeletion({ key: id }), { code: 'PERMISSION_DENIED' });
      await told(channel, `firing key-deletion ${id}`);
      assert.equal(channel.envelopes[0]!.notice.alert.facts.outcome, 'PERMISSION_DENIED');
    });

    test('a compromised key is told when it is asked for, and when a policy lets somebody use it; its last use before is not', async () => {
      const folder = testFolder();
      const policies = join(folder, 'policies');
      mkdirSync(policies);
      writeFileSync(
        join(policies, 'use.cedar'),
        '@id("own/use") permit (principal in Claviger::Role::"crypto-user", action == Claviger::Action::"UseCompromisedKey", resource);',
      );
      open.push(async () => removeFolder(folder));
      const it = await service({ folder, policies });
      const channel = memoryChannel();
      const key = (await it.api.createKey({ spec: 'AES-256-GCM' })).id;
      const used = (await it.api.createKey({ spec: 'AES-256-GCM' })).id;
      await watch(it, channel);
      const { ciphertext } = await it.api.encrypt({ key: used, plaintext: Buffer.from('a') });
      await it.api.encrypt({ key, plaintext: Buffer.from('a') });
      await it.api.compromiseKey({ key });
      await it.api.compromiseKey({ key: used });
      await looked();
      assert.deepEqual(channel.lines(), []);
      await assert.rejects(it.api.encrypt({ key, plaintext: Buffer.from('a') }), { code: 'KEY_STATE' });
      await told(channel, `firing forbidden-key-use ${key}`);
      await it.api.decrypt({ key: used, ciphertext });
      await told(channel, `firing forbidden-key-use ${used}`);
      assert.equal(channel.envelopes.at(-1)!.notice.alert.facts.outcome, 'OK');
    });

    test('a compromised version is told when its ciphertext is opened, the sound one beside it is not', async () => {
      const it = await service();
      const channel = memoryChannel();
      const { id: key } = await it.api.createKey({ spec: 'AES-256-GCM' });
      const { ciphertext } = await it.api.encrypt({ key, plaintext: Buffer.from('a') });
      await it.api.rotateKey({ key });
      await it.api.compromiseKey({ key, keyVersion: 1 });
      await watch(it, channel);
      await it.api.encrypt({ key, plaintext: Buffer.from('a') });
      await looked();
      assert.deepEqual(channel.lines(), []);
      await assert.rejects(it.api.decrypt({ key, ciphertext }), { code: 'KEY_STATE' });
      await told(channel, `firing forbidden-key-use ${key}`);
    });

    test('a key pending deletion is told when it is asked for', async () => {
      const it = await service();
      const channel = memoryChannel();
      await watch(it, channel);
      const { id: key } = await it.api.createKey({ spec: 'AES-256-GCM' });
      await it.api.scheduleKeyDeletion({ key });
      await assert.rejects(it.api.encrypt({ key, plaintext: Buffer.from('a') }), { code: 'KEY_STATE' });
      await told(channel, `firing forbidden-key-use ${key}`);
    });

    test('a sealed value that was changed is told', async () => {
      const folder = testFolder();
      open.push(async () => removeFolder(folder));
      const before = await openTestService({ folder });
      const { id: key } = await before.api.createKey({ spec: 'AES-256-GCM' });
      await before.close();
      tamper(folder, 'UPDATE materials SET sealed = zeroblob(length(sealed)) WHERE key_id = ?', key);
      const it = await service({ folder });
      const channel = memoryChannel();
      await watch(it, channel);
      await assert.rejects(it.api.encrypt({ key, plaintext: Buffer.from('a') }), { code: 'INTERNAL' });
      await told(channel, `firing integrity-failure ${key}`);
    });

    test('ciphertexts that do not open are told when there are many, in one batch too', async () => {
      const it = await service();
      const channel = memoryChannel();
      await watch(it, channel);
      const { id: key } = await it.api.createKey({ spec: 'AES-256-GCM' });
      const { ciphertext } = await it.api.encrypt({
        key,
        plaintext: Buffer.from('a'),
        context: { a: 'secret-context' },
      });
      await it.api.decryptBatch({
        key,
        items: Array.from({ length: 19 }, () => ({ ciphertext, context: { a: '2' } })),
      });
      await looked();
      assert.deepEqual(channel.lines(), []);
      await it.api.decryptBatch({ key, items: [{ ciphertext, context: { a: '2' } }] });
      await told(channel, 'firing ciphertext-refusals library/key-administrator+crypto-user');
      assert.equal(channel.envelopes[0]!.notice.alert.count, 20);
      assert.doesNotMatch(JSON.stringify(channel.envelopes), /secret-context/);
    });

    test('tokens of those who rule are told, by the name of who made them; tokens of those who use keys are not', async () => {
      const it = await service();
      const channel = memoryChannel();
      await watch(it, channel);
      const officer = it.as('security-officer');
      await officer.createToken({ name: 'app', roles: ['crypto-user'] });
      await looked();
      assert.deepEqual(channel.lines(), []);
      await officer.createToken({ name: 'boss', roles: ['key-administrator'] });
      await told(channel, 'firing governance-change library/security-officer');
    });

    test('imported material is told two weeks before its date, and no more once it has a later one', async () => {
      const it = await service();
      const channel = memoryChannel();
      await watch(it, channel);
      const { id: key } = await it.api.createKey({ spec: 'AES-256-GCM', origin: 'external' });
      const material = Buffer.alloc(32, 7);
      const inDays = (days: number): string => new Date(it.clock.now() + days * DAY_MS).toISOString();
      await importInto(it.api, key, material, { expiresAt: inDays(16) });
      it.clock.advance(HOUR_MS);
      await looked();
      assert.deepEqual(channel.lines(), []);
      it.clock.advanceDays(2);
      await told(channel, `firing cryptoperiod-ending ${key}`);
      assert.match(channel.envelopes[0]!.notice.alert.facts.note!, /^the imported material expires at 2026-02-16T/);
      await it.api.deleteImportedKeyMaterial({ key });
      await importInto(it.api, key, material, { expiresAt: inDays(100) });
      it.clock.advance(HOUR_MS);
      await told(channel, `resolved cryptoperiod-ending ${key}`);
    });

    test('a rotation that should have happened is told, and is over when it has', async () => {
      const it = await service();
      const channel = memoryChannel();
      await watch(it, channel);
      const { id: key } = await it.api.createKey({ spec: 'AES-256-GCM' });
      await it.api.setKeyRotation({ key, periodDays: 90 });
      it.clock.advance(90 * DAY_MS + 2 * HOUR_MS);
      await told(channel, `firing cryptoperiod-ending ${key}`);
      await it.runJobs();
      it.clock.advance(HOUR_MS);
      await told(channel, `resolved cryptoperiod-ending ${key}`);
    });
  });

  suite('what is measured', () => {
    test('the lag of sinks and open circuits are told, and their end', async () => {
      const it = await service();
      const channel = memoryChannel();
      const alerts = await watch(it, channel);
      let lagSeconds = 301;
      alerts.readLags(() => [{ name: 'archive', position: 1, lagSeconds, lastError: 'no answer' }]);
      alerts.circuit('aws', it.clock.now());
      await told(channel, 'firing sink-lag archive');
      assert.equal(channel.envelopes[0]!.notice.alert.facts.note, 'no answer');
      it.clock.advance(300_000);
      await told(channel, 'firing circuit-open aws');
      lagSeconds = 0;
      alerts.circuit('aws', null);
      await told(channel, 'resolved sink-lag archive');
      await told(channel, 'resolved circuit-open aws');
    });

    test('a channel that fails is told to the others', async () => {
      await failingChannel(await service());
    });

    test('a log that cannot be written is told before the process ends', async () => {
      const started = once(process, 'worker') as Promise<[Worker]>;
      const channel = memoryChannel();
      const setup = { rules: ruleBook(), reminderMs: HOUR_MS, channels: () => [channel] };
      const it = await service({ alerts: setup });
      const [thread] = await started;
      it.services.alerts.start();
      await thread.terminate();
      await told(channel, 'firing log-failure log');
    });
  });

  suite('a restart', () => {
    test('begins with what comes, the first time, and where it was, from then on', async () => {
      const it = await service();
      const make = async (): Promise<string> => (await it.api.createKey({ spec: 'AES-256-GCM' })).id;
      const [old, first, meanwhile] = [await make(), await make(), await make()];
      await it.api.scheduleKeyDeletion({ key: old });
      const before = memoryChannel();
      const alerts = await watch(it, before);
      await it.api.scheduleKeyDeletion({ key: first });
      assert.deepEqual(await told(before, `firing key-deletion ${first}`), [`firing key-deletion ${first}`]);
      await alerts.stop();
      await it.api.scheduleKeyDeletion({ key: meanwhile });
      const after = memoryChannel();
      const again = await watch(it, after);
      assert.deepEqual(await told(after, `firing key-deletion ${meanwhile}`), [`firing key-deletion ${meanwhile}`]);
      assert.equal(again.status().alerts.length, 2);
    });

    test('delivers what was not taken before, also where nobody stopped in order', async () => {
      const it = await service();
      const { id: key } = await it.api.createKey({ spec: 'AES-256-GCM' });
      const broken = memoryChannel();
      broken.failWith(new Error('away'));
      await watch(it, broken);
      await it.api.scheduleKeyDeletion({ key });
      const untilMs = performance.now() + WAIT_MS_MAX;
      while ((await it.services.cache.store.alertState()).every(({ kind }) => kind !== 'delivery')) {
        assert.ok(performance.now() < untilMs);
        await setTimeout(5);
      }
      const sound = memoryChannel();
      await watch(it, sound);
      await told(sound, `firing key-deletion ${key}`);
      assert.equal(sound.envelopes[0]!.id.split('-')[1], 'firing');
    });

    test('ends nothing that was measured, until what it was measured of is seen well again', async () => {
      const it = await service();
      const standing = ['circuit-open aws', 'log-rewritten witness/north', 'sink-lag archive'];
      const keeper = { name: 'north', kind: 'witness', confirmedSize: 1, lagSeconds: 0, lastError: null } as const;
      const sink = { name: 'archive', position: null, lagSeconds: 0, lastError: null };
      const before = memoryChannel();
      const alerts = await watch(it, before);
      alerts.readLags(() => [{ ...sink, position: 1, lagSeconds: 400 }]);
      alerts.readKeepers(() => [{ ...keeper, state: 'rewritten', taken: false }]);
      alerts.circuit('aws', it.clock.now() - HOUR_MS);
      for (const one of standing) await told(before, `firing ${one}`);
      await alerts.stop();

      const after = memoryChannel();
      let well = false;
      const again = await watch(it, after, {}, (opened) => {
        opened.readLags(() => [well ? { ...sink, position: 9 } : sink]);
        opened.readKeepers(() => [{ ...keeper, state: well ? 'ok' : 'failing', taken: well }]);
        opened.watchHomes(['aws']);
      });
      await looked();
      const subjects = again.status().alerts.map(({ rule, subject }) => `${rule} ${subject}`);
      assert.deepEqual([subjects.toSorted(), after.lines()], [standing, []]);
      well = true;
      again.answered('aws');
      for (const one of standing) await told(after, `resolved ${one}`);
    });

    test('holds nothing against a keeper that was not asked yet, and all that it is behind once it was', async () => {
      const it = await service();
      const channel = memoryChannel();
      const keeper = { name: 'north', kind: 'witness', confirmedSize: 1, lagSeconds: 86_400, lastError: null } as const;
      let state: 'ok' | 'failing' = 'ok';
      await watch(it, channel, {}, (alerts) => alerts.readKeepers(() => [{ ...keeper, state, taken: false }]));
      await looked();
      assert.deepEqual(channel.lines(), []);
      state = 'failing';
      await told(channel, 'firing keeper-lag witness/north');
    });

    test('leaves a channel that fails as it was, until it has taken something', async () => {
      const it = await service();
      await (await failingChannel(it)).stop();
      const [mute, later] = [memoryChannel('broken'), memoryChannel('sound')];
      mute.failWith(new Error('still no answer'));
      await watch(it, later, { channels: [mute, later] });
      await looked();
      assert.equal(later.lines().includes('resolved channel-failure broken'), false);
      mute.failWith(null);
      it.clock.advance(HOUR_MS);
      await told(later, 'resolved channel-failure broken');
    });

    test('that finds a shorter log than before goes on at its end', async () => {
      const it = await service();
      const { id: key } = await it.api.createKey({ spec: 'AES-256-GCM' });
      await it.services.ledger.keep([{ put: 'cursor', name: 'alerts', position: 1_000_000 }]);
      const channel = memoryChannel();
      await watch(it, channel);
      await looked();
      await it.api.scheduleKeyDeletion({ key });
      await told(channel, `firing key-deletion ${key}`);
    });
  });

  suite('a start', () => {
    test('tells of every critical rule that is disabled, and of no other', async () => {
      const lines: string[] = [];
      const log: Log = { write: (level, message) => lines.push(`${level} ${message}`) };
      const it = await service();
      const rules = ruleBook({ 'key-deletion': { enabled: false }, 'new-source': { enabled: false } });
      await watch(it, memoryChannel(), { rules, log });
      assert.deepEqual(
        lines.filter((line) => line.includes('disabled')),
        ['warn the critical alert rule `key-deletion` is disabled by the configuration'],
      );
    });
  });

  test('listAlerts shows a tenant its own alerts, and the system scope all of them and the channels', async () => {
    const channel = memoryChannel();
    const setup = { rules: ruleBook(), reminderMs: HOUR_MS, channels: () => [channel] };
    const it = await service({ alerts: setup });
    it.services.alerts.start();
    it.services.alerts.circuit('aws', it.clock.now() - HOUR_MS);
    const other = await it.tenant('other');
    const theirs = it.of(principalOf(other, ['key-administrator']));
    const { id: own } = await it.api.createKey({ spec: 'AES-256-GCM' });
    const { id: foreign } = await theirs.createKey({ spec: 'AES-256-GCM' });
    await it.api.scheduleKeyDeletion({ key: own });
    await theirs.scheduleKeyDeletion({ key: foreign });
    await told(channel, `firing key-deletion ${foreign}`);
    await told(channel, 'firing circuit-open aws');
    const seen = async (role: 'auditor' | 'security-officer', systemScope: boolean) => {
      const { alerts, channels } = await it.of(principalOf(it.tenantId, [role], { systemScope })).listAlerts();
      return [
        alerts
          .filter(({ rule }) => rule !== 'governance-change')
          .map(({ subject }) => subject)
          .toSorted(),
        channels.length,
      ];
    };
    for (const role of ['auditor', 'security-officer'] as const) {
      assert.deepEqual(await seen(role, false), [[own], 0]);
      assert.deepEqual(await seen(role, true), [[own, foreign, 'aws'].toSorted(), 1]);
    }
    for (const role of ['crypto-user', 'key-administrator', 'approver'] as const) {
      await assert.rejects(it.as(role).listAlerts(), { code: 'PERMISSION_DENIED' });
    }
    assert.equal(lineOf(channel.envelopes[0]!.notice).split(' ')[0], 'firing');
  });
});

async function service(options: Parameters<typeof openTestService>[0] = {}): Promise<TestService> {
  const opened = await openTestService(options);
  open.push(() => (options.folder === undefined ? opened.remove() : opened.close()));
  return opened;
}

async function watch(
  { services }: TestService,
  channel: MemoryChannel,
  more: Partial<AlertsOptions> = {},
  before: (alerts: Alerts) => void = () => undefined,
): Promise<Alerts> {
  const alerts = await Alerts.open({
    rules: ruleBook(),
    reminderMs: 12 * HOUR_MS,
    retentionDays: 365,
    channels: [channel],
    ledger: services.ledger,
    store: services.cache.store,
    clock: services.clock,
    log: services.log,
    origin: 'test',
    turnEveryMs: 5,
    measureEveryMs: 0,
    ...more,
  });
  before(alerts);
  alerts.start();
  open.push(() => alerts.stop());
  return alerts;
}

/** Watches with two channels, until the one that works is told that `broken` does not. */
async function failingChannel(it: TestService): Promise<Alerts> {
  const [broken, sound] = [memoryChannel('broken'), memoryChannel('sound')];
  broken.failWith(new Error('no answer'));
  const alerts = await watch(it, sound, { channels: [broken, sound] });
  alerts.circuit('aws', it.clock.now() - HOUR_MS);
  await told(sound, 'firing circuit-open aws');
  it.clock.advance(300_000);
  await told(sound, 'firing channel-failure broken');
  return alerts;
}

/** Waits for a line, and gives all. */
async function told(channel: MemoryChannel, line: string): Promise<readonly string[]> {
  const untilMs = performance.now() + WAIT_MS_MAX;
  while (!channel.lines().includes(line)) {
    assert.ok(performance.now() < untilMs, `${line} was never told, but ${channel.lines().join(', ')}`);
    await setTimeout(5);
  }
  return channel.lines();
}
