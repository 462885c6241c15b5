/**
 * What a home's refusal of its key leads to: the version keeps it, so that what a caller is told does not depend on which
 * home was asked first.
 *
 * @module
 */
import { ClavigerError, type ErrorCode } from '../errors.ts';
import { isCurrent, livesIn, type Backing, type KeyVersion, type KeyWithVersions } from '../model/key.ts';
import { execute } from './execute.ts';
import { jobCall, jobPrincipal } from './job-call.ts';
import { keyInfo, type KeyInfo } from './key-info.ts';
import type { Operation } from './operation.ts';
import type { Scope } from './scope.ts';
import type { Services } from './services.ts';
import { puts, type KeyInput } from './transition.ts';

/** Refusals that speak of the home's key, whoever asks; the others are of the request, or of the connection. */
const OF_THE_KEY: ReadonlySet<ErrorCode> = new Set(['KEY_DISABLED', 'KEY_STATE', 'KEY_NOT_FOUND', 'PERMISSION_DENIED']);

/** Errors of a provider for which no other home stands in within the same request: somebody has to look at it. */
const OF_THE_PROVIDER: ReadonlySet<ErrorCode> = new Set([
  'PROVIDER_DENIED',
  'PROVIDER_INTEGRITY',
  'PROVIDER_MISCONFIGURED',
]);

export interface NoteHomeRefusalInput extends KeyInput {
  readonly keyVersion: number;
  readonly provider: string;
  /** Null where the home answers again. */
  readonly code: ErrorCode | null;
}

/** Keeps, or clears, a home's refusal of a version. Run by the service itself. */
export const noteHomeRefusal: Operation<NoteHomeRefusalInput, KeyInfo> = {
  name: 'NoteHomeRefusal',
  async run(scope, { key: name, keyVersion, provider, code }) {
    const found = await scope.manageKey(name);
    const before = scope.version(found, keyVersion);
    scope.note({ keyVersion, provider, resource: code === null ? 'cleared' : `refusal/${code}` });
    const after = withRefusal(found, before, provider, code, scope.services.clock.now());
    if (after === before) return { output: await keyInfo(scope, found) };
    const versions = found.versions.map((version) => (version === before ? after : version));
    const changedKey = { key: found.key, versions };
    return { output: await keyInfo(scope, changedKey), changes: puts(changedKey) };
  },
};

function withRefusal(
  { key }: KeyWithVersions,
  version: KeyVersion,
  provider: string,
  code: ErrorCode | null,
  at: number,
): KeyVersion {
  const isLive = (backing: Backing): boolean => backing.provider === provider && isCurrent(backing);
  // A request may have met the refusal of a home that was removed meanwhile; nobody would ever clear it.
  if (code !== null && !livesIn(version, provider)) return version;
  if (key.homes?.onHomeRefusal !== 'quarantine') {
    const { refusal } = version;
    if (refusal?.provider === provider ? refusal.code === code : code === null) return version;
    return { ...version, refusal: code === null ? null : { provider, code, at } };
  }
  if (version.backings.every((backing) => !isLive(backing) || (backing.quarantined?.code ?? null) === code)) {
    return version;
  }
  const backings = version.backings.map(({ quarantined, ...backing }) => {
    if (!isLive(backing)) return quarantined === undefined ? backing : { ...backing, quarantined };
    return code === null ? backing : { ...backing, quarantined: { code, at } };
  });
  return { ...version, backings };
}

/**
 * Passes an error of the homes on. A refusal ends this call, whatever is decided again for it, and whatever other items it
 * has; one of a home's key is kept with the version as well.
 *
 * @throws always
 */
export async function refusedByHome(
  scope: Scope,
  { key }: KeyWithVersions,
  version: KeyVersion,
  error: unknown,
): Promise<never> {
  if (!(error instanceof ClavigerError) || error.native === undefined) throw error;
  const { services } = scope;
  const { code, native } = error;
  const { provider } = native;
  scope.note({ provider });
  if (OF_THE_PROVIDER.has(code)) {
    services.log.write('error', 'a home is not to be relied on', { keyId: key.id, ...toldByHome(error) });
    scope.pin(error, { provider });
  }
  if (!OF_THE_KEY.has(code)) throw error;
  const refusal = new ClavigerError(code, `home \`${provider}\` of key ${key.id} refuses it: ${error.message}`, {
    resource: key.id,
    native,
    cause: error,
  });
  scope.pin(refusal, { provider });
  services.log.write('error', 'a home refuses its key', { keyId: key.id, ...toldByHome(error) });
  await noteRefusal(services, key.tenantId, { key: key.id, keyVersion: version.version, provider, code });
  throw refusal;
}

/** Providers that an error of a group names: none of them has answered. */
export function failedHomes(error: unknown): readonly string[] {
  return error instanceof ClavigerError ? (error.causes ?? []).map(({ provider }) => provider) : [];
}

/** What an operator needs to find the refusal where it was made. */
function toldByHome({ code, message, native }: ClavigerError): Readonly<Record<string, string>> {
  const { provider, code: nativeCode, requestId: nativeRequestId } = native!;
  return {
    provider,
    code,
    message,
    ...(nativeCode === null ? {} : { nativeCode }),
    ...(nativeRequestId === null ? {} : { nativeRequestId }),
  };
}

/** Runs `noteHomeRefusal` as the service; once, however many requests have met the refusal at the same time. */
export function noteRefusal(services: Services, tenantId: string, input: NoteHomeRefusalInput): Promise<void> {
  return services.homes.noteOnce(JSON.stringify(input), async () => {
    const found = await services.cache.key(input.key);
    const before = found?.versions.find(({ version }) => version === input.keyVersion);
    const { provider, code } = input;
    if (before !== undefined && withRefusal(found!, before, provider, code, 0) === before) return;
    await execute(services, noteHomeRefusal, jobCall(services, jobPrincipal('homes', tenantId)), input);
  });
}
