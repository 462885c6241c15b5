/**
 * Whether the server can be reached, is ready, has our time, takes our token, and is healthy.
 *
 * @module
 */
import { ClavigerClient } from '../../client/index.ts';
import { ClavigerError } from '../../errors.ts';
import type { HealthOutput } from '../../operations/get-health.ts';
import { isPrivate, type Connection } from '../connection.ts';
import type { Session } from '../session.ts';
import { UsageError } from '../usage-error.ts';
import { fail, ok, warn, type Finding } from './finding.ts';

const TIMEOUT_MS = 5000;
/** AWS signatures are taken within five minutes; a clock that is off by a tenth of that is on its way there. */
const SKEW_WARN_MS = 30_000;
const SKEW_FAIL_MS = 300_000;

export async function checkServer(session: Session): Promise<readonly Finding[]> {
  let connection: Connection;
  try {
    connection = session.connection();
  } catch (error) {
    if (!(error instanceof UsageError) && !(error instanceof ClavigerError)) throw error;
    return [fail('credentials', error.message, '`claviger help environment` tells where they are looked for')];
  }
  const { endpoint, from } = connection;
  const found = [ok('credentials', `from ${from}`), checkEndpoint(endpoint)];
  const probe = await reach(endpoint);
  if (probe instanceof Error) {
    const next = 'start the server (`claviger dev` for development), or correct the endpoint';
    return [...found, fail('reachable', probe.message, next)];
  }
  return [...found, ...probe, ...(await checkToken(connection))];
}

function checkEndpoint(endpoint: string): Finding {
  if (isPrivate(endpoint)) return ok('endpoint', endpoint);
  return warn('endpoint', `${endpoint} is plain HTTP on a network`, 'use https://; the token can be read on the way');
}

/** Readiness and the clock, or why the server cannot be reached. */
async function reach(endpoint: string): Promise<readonly Finding[] | Error> {
  let response: Response;
  const sentMs = Date.now();
  try {
    response = await fetch(`${endpoint}/readyz`, { redirect: 'error', signal: AbortSignal.timeout(TIMEOUT_MS) });
  } catch (thrown) {
    const { cause, message } = thrown as Error & { cause?: NodeJS.ErrnoException };
    return new Error(`${endpoint}: ${cause?.code ?? cause?.message ?? message}`, { cause: thrown });
  }
  const body = (await response.text()).trim();
  const tookMs = Date.now() - sentMs;
  const found = [ok('reachable', `in ${tookMs} ms`)];
  if (body === 'ready') found.push(ok('ready', 'it answers requests'));
  else if (body === 'unavailable')
    found.push(fail('ready', 'its audit log cannot be written', 'look at its messages and at its disk'));
  else found.push(fail('ready', `${response.status}, not what a Claviger server answers`, 'correct the endpoint'));
  return [...found, checkClock(response.headers.get('date'), sentMs + tookMs / 2)];
}

function checkClock(date: string | null, nowMs: number): Finding {
  const serverMs = Date.parse(date ?? '');
  if (Number.isNaN(serverMs)) return warn('clock', 'the server told no time', 'compare its clock with yours');
  // The header has whole seconds, cut off.
  const skewMs = Math.max(0, Math.abs(serverMs + 500 - nowMs) - 500);
  const words = `${Math.round(skewMs / 1000)} s apart from the server's`;
  if (skewMs < SKEW_WARN_MS) return ok('clock', words);
  const next = 'set the clocks by NTP; AWS signatures are refused from 5 minutes on';
  return skewMs < SKEW_FAIL_MS ? warn('clock', words, next) : fail('clock', words, next);
}

async function checkToken(connection: Connection): Promise<readonly Finding[]> {
  const client = new ClavigerClient({ ...connection, timeoutMs: TIMEOUT_MS });
  try {
    await client.listKeys({ limit: 1 });
  } catch (error) {
    if (!(error instanceof ClavigerError)) throw error;
    if (error.code === 'UNAUTHENTICATED') {
      return [
        fail('token', error.message, `replace the token from ${connection.from}, for instance with \`claviger login\``),
      ];
    }
    if (error.code !== 'PERMISSION_DENIED') {
      return [fail('token', error.message, 'look at the messages of the server')];
    }
  }
  return [ok('token', 'is valid'), ...(await checkHealth(client))];
}

async function checkHealth(client: ClavigerClient): Promise<readonly Finding[]> {
  try {
    const { status, version, providers, keepers, sinks } = await client.getHealth();
    const sick = providers.filter((provider) => provider.status !== 'ok').map(({ name }) => name);
    const well = status === 'ok' && sick.length === 0;
    const what = sick.length > 0 ? `not well: ${sick.join(', ')}` : 'the audit log failed';
    return [
      well
        ? ok(
            'health',
            `version ${version}, log and ${providers.length} provider${providers.length === 1 ? '' : 's'} ok`,
          )
        : fail(
            'health',
            what,
            sick.length > 0 ? '`claviger providers` shows why' : 'look at the messages of the server',
          ),
      ...keepers.map(keeperFinding),
      ...sinks.map(sinkFinding),
    ];
  } catch (error) {
    if (!(error instanceof ClavigerError)) throw error;
    if (error.code === 'PERMISSION_DENIED') return [ok('health', 'not looked at: the token may not')];
    return [fail('health', error.message, 'look at the messages of the server')];
  }
}

const UNTOLD = 'its last error is told to the system scope';

function keeperFinding({ name, kind, state, confirmedSize, lastError }: HealthOutput['keepers'][number]): Finding {
  const what = kind === 'witness' ? `witness ${name}` : `copy ${name}`;
  const why = lastError ?? UNTOLD;
  if (state === 'rewritten') {
    return fail(what, `says that the past of the log was changed: ${why}`, 'see docs/operating/witnesses.md');
  }
  if (state === 'failing') return warn(what, why, 'see whether it can be reached; it is asked again meanwhile');
  return ok(what, `has ${confirmedSize} records`);
}

function sinkFinding(status: HealthOutput['sinks'][number]): Finding {
  const { name, kind, lagRecords, lagSeconds, failures, lastError } = status;
  const what = `sink ${name}`;
  if (failures > 0) {
    const behind = `${lagRecords} records behind for ${Math.round(lagSeconds)} s: ${lastError ?? UNTOLD}`;
    return fail(what, behind, 'see whether its receiver answers; nothing is lost meanwhile');
  }
  return ok(what, `${kind}, ${lagRecords} records behind`);
}
