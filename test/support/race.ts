/**
 * Callers that use something without a pause while somebody else takes it away and gives it back.
 *
 * @module
 */
import assert from 'node:assert/strict';
import type { TestAnswer } from './server.ts';
import type { StoredEntry } from './stored-log.ts';

/** One answered call: when it was asked and answered, by the monotonic clock, and where it stands in the log. */
export interface Asked {
  readonly askedAt: number;
  readonly answeredAt: number;
  readonly status: number;
  readonly code: string | null;
  readonly index: number;
}

export interface Race {
  /** One call of a user; its number chooses what it does. */
  readonly use: (n: number) => Promise<TestAnswer>;
  readonly takeAway: () => Promise<TestAnswer>;
  readonly giveBack: () => Promise<TestAnswer>;
  readonly callers?: number;
  readonly rounds?: number;
}

export interface Raced {
  readonly uses: readonly Asked[];
  readonly takenAway: readonly Asked[];
  readonly givenBack: readonly Asked[];
}

/** Runs a race; every call is answered when it returns. */
export async function runRace({ use, takeAway, giveBack, callers = 16, rounds = 12 }: Race): Promise<Raced> {
  const uses: Asked[] = [];
  const takenAway: Asked[] = [];
  const givenBack: Asked[] = [];
  const over = { now: false };
  const caller = async (): Promise<void> => {
    for (let n = 0; !over.now; n++) uses.push(await asked(() => use(n)));
  };
  const running = Array.from({ length: callers }, caller);
  const until = async (count: number): Promise<void> => {
    const start = uses.length;
    while (uses.length < start + count) await new Promise((resolve) => setTimeout(resolve, 1));
  };
  try {
    for (let round = 0; round < rounds; round++) {
      await until(callers * 2);
      takenAway.push(await asked(takeAway));
      await until(callers * 2);
      givenBack.push(await asked(giveBack));
    }
    await until(callers);
  } finally {
    over.now = true;
    await Promise.all(running);
  }
  return { uses, takenAway, givenBack };
}

/** Fails where a use that was asked after the taking was answered, and before the giving back was asked, succeeded. */
export function assertNothingLate({ uses, takenAway, givenBack }: Raced): void {
  for (const [round, { answeredAt, status }] of takenAway.entries()) {
    assert.equal(status, 200);
    const back = givenBack[round]!.askedAt;
    const between = uses.filter((use) => use.askedAt > answeredAt && use.answeredAt < back);
    assert.ok(between.length > 0, 'somebody tried in between');
    assert.deepEqual(
      between.filter((use) => use.status === 200),
      [],
      'released after it was taken away',
    );
  }
}

/** Fails where the log has a success of `isUse` between a taking away and the giving back after it. */
export function assertLogInOrder(
  log: readonly StoredEntry[],
  { takenAway, givenBack }: Raced,
  isUse: (entry: StoredEntry) => boolean,
): void {
  const successes = log.filter((entry) => entry.record['outcome'] === 'OK' && isUse(entry));
  for (const [round, { index: from }] of takenAway.entries()) {
    const to = givenBack[round]!.index;
    assert.ok(from >= 0 && to > from);
    const wrong = successes.filter(({ index }) => index > from && index < to);
    assert.deepEqual(
      wrong.map(({ index }) => index),
      [],
      `used between records ${from} and ${to}`,
    );
  }
}

/** Fails where an answer has no record, or one with another outcome. */
export function assertAllRecorded(log: readonly StoredEntry[], asked: readonly Asked[]): void {
  for (const { index, status, code } of asked) {
    assert.equal(log[index]?.record['outcome'], status < 300 ? 'OK' : code, `record ${index}`);
  }
}

/** Successes and refusals of a race, by code. */
export function tallyOf(uses: readonly Asked[]): Record<string, number> {
  const tally: Record<string, number> = {};
  for (const { code } of uses) tally[code ?? 'OK'] = (tally[code ?? 'OK'] ?? 0) + 1;
  return tally;
}

export async function asked(call: () => Promise<TestAnswer>): Promise<Asked> {
  const askedAt = performance.now();
  const { status, headers, body } = await call();
  const answeredAt = performance.now();
  const audit = headers.get('x-claviger-audit');
  const index = audit === null ? -1 : Number(audit.slice(audit.indexOf('/') + 1));
  return { askedAt, answeredAt, status, code: (body?.code as string | undefined) ?? null, index };
}
