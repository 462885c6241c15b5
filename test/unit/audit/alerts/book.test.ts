/** The life of alerts: what each rule fires on and what it lets pass, one alert for one condition, its end, a restart. */
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import {
  AlertBook,
  ALERTS_PER_RULE_MAX,
  networkOf,
  OTHERS,
  ADDRESS_DAYS_MIN,
  SOURCES_PER_PRINCIPAL_MAX,
} from '../../../../src/audit/alerts/book.ts';
import { ruleBook, RULE_IDS, RULES, watchedBy, type Rule, type RuleId } from '../../../../src/audit/alerts/rules.ts';
import { wordsOf } from '../../../../src/audit/alerts/words.ts';
import { BATCH_OPERATIONS, GOVERN_OPERATIONS, USE_OPERATIONS } from '../../../../src/model/operation.ts';
import type { HousekeepingChange } from '../../../../src/store/change.ts';
import type { AlertStateRow, Sighting, WatchedRecord } from '../../../../src/store/contract.ts';
import {
  ADDRESS,
  KEY,
  NOW,
  OTHER_KEY,
  OTHER_TOKEN,
  record,
  sighting,
  spread,
  stranger,
  TENANT,
  TOKEN,
} from './records.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const REMINDER_MS = 12 * HOUR_MS;
const DAY_MS = 24 * HOUR_MS;
const RETENTION_DAYS = 1000;
const COMPROMISED = { pendingDeletion: false, compromisedVersions: [1] };
const GOING = { pendingDeletion: true, compromisedVersions: [] };

function book(settings: Parameters<typeof ruleBook>[0] = {}, rows: readonly AlertStateRow[] = []): AlertBook {
  return new AlertBook({ rules: ruleBook(settings), reminderMs: REMINDER_MS, retentionDays: RETENTION_DAYS }, rows);
}

/** What a book says of records, as `kind rule subject`. */
function told(alerts: AlertBook, records: readonly WatchedRecord[], sightings: readonly Sighting[] = []): string[] {
  return alerts.take(records, sightings).map(({ kind, alert }) => `${kind} ${alert.rule} ${alert.subject}`);
}

/** The store after a book's changes. */
function stored(changes: readonly HousekeepingChange[], before: readonly AlertStateRow[] = []): AlertStateRow[] {
  const rows = new Map(before.map((row) => [`${row.kind}/${row.name}`, row]));
  for (const change of changes) {
    if (!('kind' in change)) continue;
    const name = `${change.kind}/${change.name}`;
    if ('put' in change) rows.set(name, { kind: change.kind, name: change.name, value: change.value });
    else rows.delete(name);
  }
  return [...rows.values()];
}

function isOfSources(change: HousekeepingChange): boolean {
  return 'kind' in change && change.kind === 'sources';
}

interface Case {
  readonly fires: Readonly<Record<string, readonly WatchedRecord[]>>;
  readonly silent: Readonly<Record<string, readonly WatchedRecord[]>>;
}

const officer = { granted: { roles: ['security-officer'], systemScope: false } } as const;
const user = { granted: { roles: ['crypto-user'], systemScope: false } } as const;

/** Rule → records that it fires on, and their neighbours that it lets pass. */
const CASES: Readonly<Record<Exclude<RuleId, 'new-source' | MeasureId>, Case>> = {
  'key-deletion': {
    fires: {
      'a deletion that was scheduled': [record({ operation: 'ScheduleKeyDeletion' })],
      'one that was refused': [record({ operation: 'ScheduleKeyDeletion', outcome: 'PERMISSION_DENIED' })],
      'one of a key that does not exist': [
        record({ operation: 'ScheduleKeyDeletion', outcome: 'KEY_NOT_FOUND', keyId: null }),
      ],
      'material that was deleted': [record({ operation: 'DeleteImportedKeyMaterial' })],
      'material that expired': [record({ operation: 'ExpireKeyMaterial', principal: 'job/lifecycle', source: null })],
      'the destruction itself': [record({ operation: 'DestroyKey', principal: 'job/lifecycle', source: null })],
    },
    silent: {
      'a deletion that was cancelled': [record({ operation: 'CancelKeyDeletion' })],
      'a key that was disabled': [record({ operation: 'DisableKey' })],
      'an alias that was deleted': [record({ operation: 'DeleteAlias' })],
    },
  },
  'refusals-principal': {
    fires: {
      '20 refusals in a minute': spread(20, MINUTE_MS - 6000, record({ outcome: 'PERMISSION_DENIED' })),
      'guessing at keys': spread(20, 1000, record({ outcome: 'KEY_NOT_FOUND', keyId: null })),
    },
    silent: {
      '19 refusals in a minute': spread(19, MINUTE_MS, record({ outcome: 'PERMISSION_DENIED' })),
      '20 refusals in two minutes': spread(20, 2 * MINUTE_MS, record({ outcome: 'PERMISSION_DENIED' })),
      '20 refusals of two principals': [
        ...spread(10, 1000, record({ outcome: 'PERMISSION_DENIED' })),
        ...spread(10, 1000, record({ outcome: 'PERMISSION_DENIED', principal: OTHER_TOKEN })),
      ],
      '100 answers': spread(100, 1000, record()),
      '100 requests that were too many': spread(100, 1000, record({ outcome: 'THROTTLED' })),
    },
  },
  'refusals-source': {
    fires: {
      '30 strangers of one address': spread(30, 1000, stranger()),
      'refusals that were only counted': [stranger({ operation: '', count: 30, aggregated: true })],
      'refusals of more addresses than are told apart': [
        stranger({ operation: '', source: null, count: 5000, aggregated: true }),
      ],
      'ten alone and twenty that were counted': [
        ...spread(10, 1000, stranger()),
        stranger({ operation: '', count: 20, aggregated: true, timeMs: NOW + 1000 }),
      ],
    },
    silent: {
      '29 strangers of one address': spread(29, 1000, stranger()),
      '30 strangers of 30 addresses': spread(30, 1000, stranger()).map((one, at) => ({
        ...one,
        source: `198.51.100.${at}`,
      })),
      '30 refusals in-process': spread(30, 1000, stranger({ source: null })),
      '30 answers': spread(30, 1000, record()),
    },
  },
  'ciphertext-refusals': {
    fires: {
      '20 ciphertexts that do not open': spread(
        20,
        1000,
        record({ operation: 'Decrypt', outcome: 'INVALID_CIPHERTEXT' }),
      ),
      'a batch with 20 of them': [record({ operation: 'DecryptBatch', failedItems: { INVALID_CIPHERTEXT: 20 } })],
      'MACs that do not verify': spread(20, 1000, record({ operation: 'VerifyMac', outcome: 'INVALID_MAC' })),
    },
    silent: {
      '19 ciphertexts that do not open': spread(
        19,
        1000,
        record({ operation: 'Decrypt', outcome: 'INVALID_CIPHERTEXT' }),
      ),
      'a batch with 19 of them': [
        record({ operation: 'DecryptBatch', failedItems: { INVALID_CIPHERTEXT: 19, KEY_STATE: 20 } }),
      ],
      'signatures that do not verify': spread(20, 1000, record({ operation: 'Verify', outcome: 'INVALID_SIGNATURE' })),
    },
  },
  'integrity-failure': {
    fires: {
      'a sealed value that does not open': [record({ outcome: 'INTERNAL' })],
      'an item of a batch that fails inside': [record({ operation: 'SignBatch', failedItems: { INTERNAL: 1 } })],
    },
    silent: {
      'an answer': [record()],
      'a provider that is away': [record({ outcome: 'PROVIDER_UNAVAILABLE' })],
    },
  },
  'home-refused': {
    fires: {
      'a home that refuses its key': [
        record({ operation: 'NoteHomeRefusal', resource: 'refusal/KEY_DISABLED', principal: 'job/homes' }),
      ],
    },
    silent: {
      'a home that answers again': [record({ operation: 'NoteHomeRefusal', resource: 'cleared' })],
      'a key that is disabled here': [record({ outcome: 'KEY_DISABLED' })],
    },
  },
  'home-integrity': {
    fires: {
      'a signature that does not verify': [record({ operation: 'Sign', outcome: 'PROVIDER_INTEGRITY' })],
      'another data key than was wrapped': [
        record({ operation: 'Decrypt', outcome: 'INVALID_CIPHERTEXT', resource: 'disagreement/aws-main' }),
      ],
    },
    silent: {
      'a ciphertext that somebody changed': [record({ operation: 'Decrypt', outcome: 'INVALID_CIPHERTEXT' })],
      'a provider that is away': [record({ outcome: 'PROVIDER_UNAVAILABLE' })],
    },
  },
  'provider-denied': {
    fires: { 'refused credentials of ours': [record({ outcome: 'PROVIDER_DENIED' })] },
    silent: { 'a principal that may not': [record({ outcome: 'PERMISSION_DENIED' })] },
  },
  'homes-failed': {
    fires: { '5 requests that no home answered': spread(5, MINUTE_MS, record({ outcome: 'ALL_BACKINGS_FAILED' })) },
    silent: {
      '4 requests that no home answered': spread(4, MINUTE_MS, record({ outcome: 'ALL_BACKINGS_FAILED' })),
      '5 requests in an hour': spread(5, HOUR_MS, record({ outcome: 'ALL_BACKINGS_FAILED' })),
    },
  },
  'forbidden-key-use': {
    fires: {
      'a compromised key that is refused': [record({ outcome: 'KEY_STATE', keyVersion: null, key: COMPROMISED })],
      'a compromised key that is used, as a policy allows': [record({ operation: 'Decrypt', key: COMPROMISED })],
      'a batch with it': [record({ operation: 'SignBatch', outcome: 'KEY_STATE', key: COMPROMISED })],
      'a compromised key that is used, and deleted afterwards': [
        record({ index: 0, key: { ...COMPROMISED, pendingDeletion: true } }),
        record({ index: 1, operation: 'ScheduleKeyDeletion', key: { ...COMPROMISED, pendingDeletion: true } }),
      ],
      'a compromised version that is used before another one is compromised': [
        record({ index: 0, key: { pendingDeletion: false, compromisedVersions: [1, 2] } }),
        record({ index: 1, operation: 'CompromiseKey', keyVersion: 2 }),
      ],
      'a key pending deletion that is refused': [record({ outcome: 'KEY_STATE', key: GOING })],
    },
    silent: {
      'a sound key': [record()],
      'another version of a key with a compromised one': [record({ keyVersion: 2, key: COMPROMISED })],
      'a sound key in a state that forbids it': [record({ outcome: 'KEY_STATE' })],
      'a look at a compromised key': [record({ operation: 'DescribeKey', key: COMPROMISED })],
      'the administrator of a key that goes': [record({ operation: 'TagKey', outcome: 'KEY_STATE', key: GOING })],
      'an answer from before the key was to be deleted': [record({ key: GOING })],
      'an answer from before the key was compromised': [
        record({ index: 0, key: COMPROMISED }),
        record({ index: 1, operation: 'CompromiseKey', keyVersion: null, key: COMPROMISED }),
      ],
      'a refusal of somebody who has no right': [record({ outcome: 'PERMISSION_DENIED', key: GOING })],
    },
  },
  'governance-change': {
    fires: {
      'a policy of a key': [record({ operation: 'SetKeyPolicy' })],
      'other sinks than before': [
        record({ operation: 'ConfigureAuditSinks', principal: 'job/audit-sinks', keyId: null }),
      ],
      'a new tenant': [record({ operation: 'CreateTenant', keyId: null, key: null })],
      'a token that was revoked': [record({ operation: 'RevokeToken', keyId: null, key: null })],
      "a security officer's token": [record({ operation: 'CreateToken', keyId: null, key: null, ...officer })],
      'a token of system scope': [
        record({ operation: 'CreateToken', granted: { roles: ['auditor'], systemScope: true } }),
      ],
      'a token that nobody finds any more': [record({ operation: 'CreateToken' })],
    },
    silent: {
      "a crypto user's token": [record({ operation: 'CreateToken', ...user })],
      'a change that was refused': [record({ operation: 'SetKeyPolicy', outcome: 'PERMISSION_DENIED' })],
      'a look at the tokens': [record({ operation: 'ListTokens' })],
    },
  },
  'audit-redaction': {
    fires: {
      'records that were redacted': [record({ operation: 'RedactAuditRecords', keyId: null, key: null })],
      'an attempt at it': [record({ operation: 'RedactAuditRecords', outcome: 'PERMISSION_DENIED' })],
    },
    silent: { 'a look at the log': [record({ operation: 'ListAuditRecords' })] },
  },
};

type MeasureId = (typeof MEASURED)[number];
const MEASURED = [
  'cryptoperiod-ending',
  'circuit-open',
  'sink-lag',
  'checkpoint-lag',
  'log-rewritten',
  'keeper-lag',
  'log-failure',
  'channel-failure',
] as const;

for (const [id, { fires, silent }] of Object.entries(CASES)) {
  suite(id, () => {
    for (const [what, records] of Object.entries(fires)) {
      test(`fires once on ${what}`, () => {
        const notices = book()
          .take(records, [])
          .filter(({ alert }) => alert.rule === id);
        assert.deepEqual(
          notices.map(({ kind }) => kind),
          ['firing'],
        );
      });
      test(`says nothing of ${what} where it is disabled`, () => {
        assert.deepEqual(
          told(book({ [id]: { enabled: false } }), records).filter((line) => line.includes(id)),
          [],
        );
      });
    }
    for (const [what, records] of Object.entries(silent)) {
      test(`says nothing of ${what}`, () => {
        assert.deepEqual(
          told(book(), records).filter((line) => line.includes(id)),
          [],
        );
      });
    }
  });
}

test('a key that was forbidden after the stretch that is looked at was not before', () => {
  const later = [record({ index: 9, operation: 'CompromiseKey', keyVersion: null, key: COMPROMISED })];
  assert.deepEqual(book().take([record({ index: 0, key: COMPROMISED })], [], later), []);
  assert.equal(book().take([record({ index: 10, key: COMPROMISED })], [], later).length, 1);
});

suite('new-source', () => {
  test('learns the first address of a principal without a word, and fires on the next', () => {
    const alerts = book();
    assert.deepEqual(told(alerts, [], [sighting()]), []);
    assert.deepEqual(told(alerts, [], [sighting()]), []);
    assert.deepEqual(told(alerts, [], [sighting({ source: '203.0.113.9' })]), [
      `firing new-source ${TOKEN} from 203.0.113.9`,
    ]);
    assert.deepEqual(told(alerts, [], [sighting({ source: '203.0.113.9' }), sighting()]), []);
  });

  test('tells principals apart, and tenants', () => {
    const alerts = book();
    const others = [
      sighting({ principal: OTHER_TOKEN, source: '203.0.113.9' }),
      sighting({ tenantId: null, source: '203.0.113.9' }),
    ];
    assert.deepEqual(told(alerts, [], [sighting(), ...others]), []);
  });

  test('knows after a restart what it knew before', () => {
    const before = book();
    before.take([], [sighting(), sighting({ source: '203.0.113.9' })]);
    const after = book({}, stored(before.changes()));
    assert.deepEqual(told(after, [], [sighting(), sighting({ source: '203.0.113.9' })]), []);
    assert.deepEqual(told(after, [], [sighting({ source: '203.0.113.10' })]), [
      `firing new-source ${TOKEN} from 203.0.113.10`,
    ]);
  });

  test('writes once a day for an address that is used all day', () => {
    const alerts = book();
    alerts.take([], [sighting()]);
    assert.equal(alerts.changes().length, 1);
    alerts.take([], [sighting({ timeMs: NOW + HOUR_MS })]);
    assert.deepEqual(alerts.changes(), []);
    alerts.take([], [sighting({ timeMs: NOW + 24 * HOUR_MS })]);
    assert.equal(alerts.changes().length, 1);
  });

  test('forgets the address that was used longest ago, where there are too many', () => {
    const alerts = book();
    for (let at = 0; at <= SOURCES_PER_PRINCIPAL_MAX; at++) {
      alerts.take([], [sighting({ source: `10.0.0.${at}`, timeMs: NOW + at * 24 * HOUR_MS })]);
    }
    alerts.pass(NOW + 400 * 24 * HOUR_MS);
    const later = { timeMs: NOW + 400 * 24 * HOUR_MS };
    assert.deepEqual(told(alerts, [], [sighting({ ...later, source: '10.0.0.1' })]), []);
    assert.deepEqual(told(alerts, [], [sighting({ ...later, source: '10.0.0.0' })]), [
      `firing new-source ${TOKEN} from 10.0.0.0`,
    ]);
  });

  test('forgets what was last used before the retention, and tells of whoever comes from there again', () => {
    const alerts = book();
    const used = (source: string, day: number): Sighting => sighting({ source, timeMs: NOW + day * DAY_MS });
    alerts.take([], [used('10.0.0.1', 0), used('10.0.0.2', 0), used('10.0.0.2', 1)]);
    alerts.changes();
    alerts.pass(NOW + RETENTION_DAYS * DAY_MS);
    assert.deepEqual(alerts.changes().filter(isOfSources), []);
    alerts.pass(NOW + (RETENTION_DAYS + 1) * DAY_MS);
    const [left, ...more] = alerts.changes().filter(isOfSources);
    assert.deepEqual(more, []);
    assert.deepEqual(Object.keys(JSON.parse((left as { value: string }).value) as object), ['10.0.0.2']);
    alerts.pass(NOW + (RETENTION_DAYS + 1) * DAY_MS);
    assert.deepEqual(alerts.changes().filter(isOfSources), [], 'once a day is enough');
    const day = RETENTION_DAYS + 1;
    assert.deepEqual(told(alerts, [], [used('10.0.0.2', day), used('10.0.0.1', day)]), [
      `firing new-source ${TOKEN} from 10.0.0.1`,
    ]);
  });

  test('remembers for 35 days, however short the retention is', () => {
    const rules = ruleBook({});
    const alerts = new AlertBook({ rules, reminderMs: REMINDER_MS, retentionDays: 0 });
    alerts.take([], [sighting()]);
    const again = (day: number): string[] => {
      alerts.pass(NOW + day * DAY_MS);
      return told(alerts, [], [sighting({ timeMs: NOW + day * DAY_MS })]);
    };
    assert.deepEqual(again(ADDRESS_DAYS_MIN), []);
    assert.deepEqual(again(2 * ADDRESS_DAYS_MIN + 1), [`firing new-source ${TOKEN} from ${ADDRESS}`]);
  });

  test('does not learn the next address of a principal without a word whose addresses are all forgotten', () => {
    const before = book();
    before.take([], [sighting()]);
    const rows = stored(before.changes());
    before.pass(NOW + 2 * RETENTION_DAYS * DAY_MS);
    const after = book({}, stored(before.changes(), rows));
    const late = { timeMs: NOW + 2 * RETENTION_DAYS * DAY_MS };
    assert.deepEqual(told(after, [], [sighting(late)]), [`firing new-source ${TOKEN} from ${ADDRESS}`]);
  });

  test('takes a network of 64 bits for one address of IPv6', () => {
    for (const [address, network] of [
      ['198.51.100.7', '198.51.100.7'],
      ['::ffff:198.51.100.7', '198.51.100.7'],
      ['2001:db8::1', '2001:db8:0:0::/64'],
      ['2001:0DB8:0:0:1:2:3:4', '2001:db8:0:0::/64'],
      ['2001:db8:1:2::', '2001:db8:1:2::/64'],
      ['fe80::1%eth0', 'fe80:0:0:0::/64'],
      ['::1', '0:0:0:0::/64'],
      ['64:ff9b::198.51.100.7', '64:ff9b:0:0::/64'],
      ['what is this', 'what is this'],
    ] as const) {
      assert.equal(networkOf(address), network);
    }
  });
});

suite('a measure', () => {
  for (const id of MEASURED) {
    const { threshold, below = false } = RULES[id] as Rule & { threshold: number; below?: boolean };
    const [good, bad] = below ? [threshold + 1, threshold] : [threshold - 1, threshold];
    const at = (value: number) => [{ subject: 's', tenantId: null, value }];

    test(`${id} fires at its limit, once, and is over on the other side of it`, () => {
      const alerts = book();
      const kinds = (value: number, nowMs: number) => alerts.measure(id, at(value), nowMs).map(({ kind }) => kind);
      assert.deepEqual(kinds(good, NOW), []);
      assert.deepEqual(kinds(bad, NOW + 1), ['firing']);
      assert.deepEqual(kinds(bad, NOW + 2), []);
      assert.deepEqual(kinds(good, NOW + 3), ['resolved']);
      assert.deepEqual(kinds(good, NOW + 4), []);
    });

    test(`${id} is over when nothing is measured any more`, () => {
      const alerts = book();
      alerts.measure(id, at(bad), NOW);
      assert.deepEqual(
        alerts.measure(id, [], NOW).map(({ kind }) => kind),
        ['resolved'],
      );
    });

    test(`${id} takes the configuration's limit`, () => {
      const alerts = book({ [id]: { threshold: 7, severity: 'info' } });
      const [notice] = alerts.measure(id, at(7), NOW);
      assert.equal(notice!.alert.severity, 'info');
    });
  }

  test('that is not sure yet ends nothing, and fires where it is over its limit', () => {
    const alerts = book();
    const kinds = (value: number, unsure: boolean) =>
      alerts
        .measure('log-rewritten', [{ subject: 'witness/a', tenantId: null, value, unsure }], NOW)
        .map(({ kind }) => kind);
    assert.deepEqual(kinds(0, true), []);
    assert.deepEqual(kinds(1, true), ['firing']);
    assert.deepEqual(kinds(0, true), []);
    assert.equal(alerts.firing().length, 1);
    assert.deepEqual(kinds(0, false), ['resolved']);
  });

  test('that says the same again writes nothing', () => {
    const alerts = book();
    alerts.measure('log-failure', [{ subject: 'log', tenantId: null, value: 1 }], NOW);
    alerts.changes();
    alerts.measure('log-failure', [{ subject: 'log', tenantId: null, value: 1 }], NOW + 1000);
    assert.deepEqual(alerts.changes(), []);
  });
});

suite('an alert', () => {
  const deletion = record({ operation: 'ScheduleKeyDeletion' });

  test('stands for all that matches it, and counts', () => {
    const alerts = book();
    assert.equal(told(alerts, [deletion]).length, 1);
    assert.deepEqual(told(alerts, [deletion, { ...deletion, timeMs: NOW + MINUTE_MS }]), []);
    const [alert] = alerts.firing();
    assert.deepEqual([alert!.count, alert!.firstAtMs, alert!.lastAtMs], [3, NOW, NOW + MINUTE_MS]);
  });

  test('of one subject is not one of another', () => {
    const alerts = book();
    const lines = told(alerts, [deletion, { ...deletion, keyId: OTHER_KEY }]);
    assert.deepEqual(lines, [`firing key-deletion ${KEY}`, `firing key-deletion ${OTHER_KEY}`]);
  });

  test('is over when its window has passed without another match, and may fire anew', () => {
    const alerts = book({ 'key-deletion': { windowSeconds: 60 } });
    alerts.take([deletion], []);
    alerts.take([{ ...deletion, timeMs: NOW + 30_000 }], []);
    assert.deepEqual(alerts.pass(NOW + 89_999), []);
    assert.deepEqual(
      alerts.pass(NOW + 90_000).map(({ kind, alert }) => [kind, alert.count]),
      [['resolved', 2]],
    );
    assert.deepEqual(alerts.firing(), []);
    assert.deepEqual(told(alerts, [{ ...deletion, timeMs: NOW + 100_000 }]), [`firing key-deletion ${KEY}`]);
  });

  test('of a burst stands while it goes on, and is over a window after its last', () => {
    const alerts = book();
    const flood = spread(600, 10 * MINUTE_MS, stranger());
    assert.equal(told(alerts, flood).length, 1);
    assert.deepEqual(alerts.pass(NOW + 10 * MINUTE_MS), []);
    assert.equal(alerts.firing()[0]!.count, 600);
    assert.deepEqual(
      alerts.pass(NOW + 11 * MINUTE_MS).map(({ kind }) => kind),
      ['resolved'],
    );
  });

  test('of a deletion is over at once when the deletion is cancelled, and not when that fails', () => {
    const alerts = book();
    alerts.take([deletion], []);
    const cancel = record({ operation: 'CancelKeyDeletion' });
    assert.deepEqual(told(alerts, [{ ...cancel, keyId: OTHER_KEY }]), []);
    assert.deepEqual(told(alerts, [{ ...cancel, outcome: 'PERMISSION_DENIED' }]), []);
    assert.deepEqual(told(alerts, [cancel]), [`resolved key-deletion ${KEY}`]);
    assert.deepEqual(told(alerts, [cancel]), []);
  });

  test('is told again after the reminder’s time, for as long as it stands', () => {
    const alerts = book();
    alerts.measure('sink-lag', [{ subject: 'archive', tenantId: null, value: 400 }], NOW);
    const kinds = (nowMs: number) => alerts.pass(nowMs).map(({ kind }) => kind);
    assert.deepEqual(kinds(NOW + REMINDER_MS - 1), []);
    assert.deepEqual(kinds(NOW + REMINDER_MS), ['reminder']);
    assert.deepEqual(kinds(NOW + REMINDER_MS + 1), []);
    assert.deepEqual(kinds(NOW + 2 * REMINDER_MS), ['reminder']);
  });

  test('goes on after a restart: it is not told again, it counts on, it ends', () => {
    const before = book();
    before.take([deletion], []);
    const rows = stored(before.changes());
    const after = book({}, rows);
    assert.deepEqual(told(after, [{ ...deletion, timeMs: NOW + 1 }]), []);
    assert.equal(after.firing()[0]!.count, 2);
    assert.deepEqual(
      after.pass(NOW + 25 * HOUR_MS).map(({ kind }) => kind),
      ['resolved'],
    );
    assert.deepEqual(stored(after.changes(), rows), []);
  });

  test('of half a burst before a restart and half after it fires', () => {
    const before = book();
    assert.deepEqual(told(before, spread(20, 1000, stranger())), []);
    const after = book({}, stored(before.changes()));
    assert.deepEqual(told(after, spread(10, 1000, stranger({ timeMs: NOW + 5000 }))), [
      `firing refusals-source ${ADDRESS}`,
    ]);
  });

  test('of a rule that was disabled meanwhile is over', () => {
    const before = book();
    before.take([deletion], []);
    const after = book({ 'key-deletion': { enabled: false } }, stored(before.changes()));
    assert.deepEqual(
      after.pass(NOW).map(({ kind }) => kind),
      ['resolved'],
    );
  });

  test('of a rule that this release does not know is over, and can be told', () => {
    const before = book();
    before.take([deletion], []);
    const rows = stored(before.changes()).map((row) => ({
      ...row,
      name: row.name.replace('key-deletion', 'of-old'),
      value: row.value.replace('key-deletion', 'of-old'),
    }));
    const notices = book({}, rows).pass(NOW);
    assert.deepEqual(
      notices.map(({ kind }) => kind),
      ['resolved'],
    );
    assert.equal(wordsOf(notices[0]!).title, 'over: of-old');
  });

  test('belongs to the tenant of its record, one of an address to nobody', () => {
    const alerts = book();
    alerts.take([deletion, ...spread(30, 1000, record({ outcome: 'PERMISSION_DENIED' }))], []);
    const tenants = Object.fromEntries(alerts.firing().map(({ rule, tenantId }) => [rule, tenantId]));
    assert.deepEqual(tenants, { 'key-deletion': TENANT, 'refusals-principal': TENANT, 'refusals-source': null });
  });

  test('stands for all the others where there are too many of a rule', () => {
    const alerts = book();
    const keys = Array.from({ length: ALERTS_PER_RULE_MAX + 50 }, (_, at) => ({ ...deletion, keyId: `key-${at}` }));
    const lines = told(alerts, keys);
    assert.equal(lines.length, ALERTS_PER_RULE_MAX + 1);
    assert.equal(lines.at(-1), `firing key-deletion ${OTHERS}`);
    assert.equal(alerts.firing().find(({ subject }) => subject === OTHERS)!.count, 50);
  });
});

suite('the table of rules', () => {
  test('is spoken of above, each rule of it', () => {
    assert.deepEqual([...Object.keys(CASES), 'new-source', ...MEASURED].toSorted(), [...RULE_IDS].toSorted());
  });

  test('looks at every operation that changes who may do what', () => {
    const looks = /^(?:List|Get|Read|Explain|Export|Test)/;
    const changing = GOVERN_OPERATIONS.filter((name) => !looks.test(name));
    const watched: readonly string[] = [
      ...RULES['governance-change'].operations,
      ...RULES['audit-redaction'].operations,
    ];
    assert.deepEqual([...watched].toSorted(), [...changing, 'ConfigureAuditSinks'].toSorted());
  });

  test('asks the store for what it looks at, and not for every use of a key', () => {
    const { operations, outcomes } = watchedBy(ruleBook());
    for (const name of ['ScheduleKeyDeletion', 'CancelKeyDeletion', 'SetKeyPolicy', 'RedactAuditRecords']) {
      assert.ok(operations.includes(name), name);
    }
    for (const code of ['UNAUTHENTICATED', 'PERMISSION_DENIED', 'INTERNAL', 'INVALID_CIPHERTEXT']) {
      assert.ok(outcomes.includes(code), code);
    }
    assert.ok(!outcomes.includes('OK'));
    for (const name of [...USE_OPERATIONS, ...Object.keys(BATCH_OPERATIONS)])
      assert.ok(!operations.includes(name), name);
    const none = watchedBy(ruleBook(Object.fromEntries(RULE_IDS.map((id) => [id, { enabled: false }]))));
    assert.deepEqual(none, { operations: [], outcomes: [] });
  });
});

test('whatever the log holds, nothing throws, state stays bounded, and a restart changes nothing', () => {
  const text = fc.oneof(
    fc.constantFrom(KEY, TOKEN, ADDRESS, '__proto__', 'constructor', ''),
    fc.string({ maxLength: 12 }),
  );
  const maybe = fc.option(text);
  const codes = [
    'OK',
    'PERMISSION_DENIED',
    'UNAUTHENTICATED',
    'INVALID_CIPHERTEXT',
    'INTERNAL',
    'KEY_STATE',
    'KEY_NOT_FOUND',
  ];
  const operations = [
    'Encrypt',
    'ScheduleKeyDeletion',
    'CancelKeyDeletion',
    'CreateToken',
    'CompromiseKey',
    'SignBatch',
    '',
  ];
  const time = fc.integer({ min: -HOUR_MS, max: 48 * HOUR_MS }).map((ms) => NOW + ms);
  const anyRecord: fc.Arbitrary<WatchedRecord> = fc.record({
    index: fc.nat(),
    timeMs: time,
    tenantId: maybe,
    principal: maybe,
    source: maybe,
    operation: fc.oneof(fc.constantFrom(...operations), fc.string({ maxLength: 8 })),
    outcome: fc.oneof(fc.constantFrom(...codes), fc.string({ maxLength: 8 })),
    resource: maybe,
    keyId: maybe,
    keyVersion: fc.option(fc.nat(3)),
    count: fc.oneof(fc.constant(1), fc.nat(1000)),
    aggregated: fc.boolean(),
    failedItems: fc.dictionary(fc.constantFrom(...codes), fc.nat(100)),
    key: fc.option(
      fc.record({ pendingDeletion: fc.boolean(), compromisedVersions: fc.array(fc.nat(3), { maxLength: 2 }) }),
    ),
    granted: fc.option(fc.record({ roles: fc.constant(['auditor'] as const), systemScope: fc.boolean() })),
  });
  const anySighting = fc.record({
    index: fc.nat(),
    timeMs: time,
    tenantId: maybe,
    principal: text,
    source: text,
    operation: text,
  });
  const step = fc.record({
    records: fc.array(anyRecord, { maxLength: 30 }),
    sightings: fc.array(anySighting, { maxLength: 10 }),
    passTo: fc.option(time),
    restart: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 8 }), (steps) => {
      let rows: AlertStateRow[] = [];
      let restarted = book();
      const straight = book();
      const standing = new Set<string>();
      for (const { records, sightings, passTo, restart } of steps) {
        const notices = [...straight.take(records, sightings), ...(passTo === null ? [] : straight.pass(passTo))];
        const again = [...restarted.take(records, sightings), ...(passTo === null ? [] : restarted.pass(passTo))];
        assert.deepEqual(again, notices);
        for (const { kind, alert } of notices) {
          const name = JSON.stringify([alert.rule, alert.tenantId, alert.subject]);
          // It fires where it does not stand, and ends where it does.
          if (kind === 'firing') assert.ok(!standing.has(name));
          else assert.ok(standing.has(name));
          if (kind === 'firing') standing.add(name);
          if (kind === 'resolved') standing.delete(name);
        }
        rows = stored(restarted.changes(), rows);
        if (restart) restarted = book({}, rows);
        assert.equal(straight.firing().length, standing.size);
        assert.ok(standing.size <= RULE_IDS.length * (ALERTS_PER_RULE_MAX + 1));
      }
    }),
    { numRuns: 300 },
  );
});
