import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { stripVTControlCharacters } from 'node:util';
import { startCli, startCliWorld, type CliWorld } from '../support/cli.ts';

let world: CliWorld;
before(async () => {
  world = await startCliWorld();
});
after(() => world.stop());

test('claviger top --once shows one interval in words, without colours or control characters', async () => {
  const shown = await world.ok(['top', '--once']);
  assert.match(shown, /^claviger top {2}http:\/\/127\.0\.0\.1:\d+ {2}version \d/);
  assert.match(shown, /^requests [\d.,]+\/s {2}errors/m);
  assert.match(shown, /^log [\d,]+ records/m);
  assert.match(shown, /^GetMetrics +[\d.]+/m);
  assert.equal(stripVTControlCharacters(shown), shown);
});

test('claviger top --once --json gives one object', async () => {
  const view = await world.json(['top', '--once', '--by', 'tenant']);
  assert.equal(view.audit.available, true);
  assert.ok(view.seconds >= 0.9 && view.total.perSecond > 0);
  assert.ok(view.rows.some(({ name }: { name: string }) => name === 'default'));
});

test('claviger top --json into a pipe gives an object a line, until it is ended', async () => {
  const top = startCli(['top', '--json'], {
    env: { CLAVIGER_ENDPOINT: world.server.endpoint, CLAVIGER_TOKEN: world.server.token },
  });
  await top.shown(/\n.*\n/);
  await top.stop();
  const lines = top.stdout().trim().split('\n');
  assert.ok(lines.length >= 2);
  for (const line of lines) assert.ok(JSON.parse(line).audit.available);
});

test('claviger top says who may look, and where there is nothing to look at', async () => {
  const user = await world.server.client.createToken({ name: 'user', roles: ['crypto-user'] });
  await world.refused(5, /may not GetMetrics here/, ['top', '--once'], { env: { CLAVIGER_TOKEN: user.token! } });
  await world.refused(6, /cannot reach/, ['top', '--once', '--endpoint', 'http://127.0.0.1:1']);
  await world.refused(2, /It must be a whole number from 1 to 60/, ['top', '--interval', '0']);
});
