/**
 * What a home's refusal of its key leads to: the version keeps it, so that what a caller is told does not depend on which
 * home was asked first.
 *
 * @module
 */
import { ClavigerError, type ErrorCode } from '../errors.ts';
import type { KeyVersion, KeyWithVersions } from '../model/key.ts';
import { execute } from './execute.ts';
import { jobCall, jobPrincipal } from './job-call.ts';
import { keyInfo, type KeyInfo } from './key-info.ts';
import type { Operation } from './operation.ts';
import type { Scope } from './scope.ts';
import type { Services } from './services.ts';
import { puts, type KeyInput } from './transition.ts';

/** Refusals that speak of the home's key, whoever asks; the others are of the request, or of the connection. */
const OF_THE_KEY: ReadonlySet<ErrorCode> = new Set(['KEY_DISABLED', 'KEY_STATE', 'KEY_NOT_FOUND', 'PERMISSION_DENIED']);

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
  if (key.homes?.onHomeRefusal !== 'quarantine') {
    if (code !== null) return { ...version, refusal: { provider, code, at } };
    return version.refusal?.provider === provider ? { ...version, refusal: null } : version;
  }
  const backings = version.backings.map(({ quarantined, ...backing }) => {
    if (backing.provider !== provider) return quarantined === undefined ? backing : { ...backing, quarantined };
    return code === null ? backing : { ...backing, quarantined: { code, at } };
  });
  return { ...version, backings };
}

/**
 * Passes an error of the homes on. A refusal of a home's key is kept with the version first, and pinned to this call:
 * whatever is decided again for it ends with the same refusal.
 *
 * @throws always
 */
export async function refusedByHome(
  scope: Scope,
  { key }: KeyWithVersions,
  version: KeyVersion,
  error: unknown,
): Promise<never> {
  if (!(error instanceof ClavigerError) || error.native === undefined || !OF_THE_KEY.has(error.code)) throw error;
  const { services } = scope;
  const { code, native } = error;
  const { provider } = native;
  const refusal = new ClavigerError(code, `home \`${provider}\` of key ${key.id} refuses it: ${error.message}`, {
    resource: key.id,
    native,
    cause: error,
  });
  scope.pin(refusal);
  services.log.write('error', 'a home refuses its key', { keyId: key.id, provider, code });
  await noteRefusal(services, key.tenantId, { key: key.id, keyVersion: version.version, provider, code });
  throw refusal;
}

/** Runs `noteHomeRefusal` as the service. */
export async function noteRefusal(services: Services, tenantId: string, input: NoteHomeRefusalInput): Promise<void> {
  await execute(services, noteHomeRefusal, jobCall(services, jobPrincipal('homes', tenantId)), input);
}
